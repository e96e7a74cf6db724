"""Measure whether what the library reports as known is true, and write doc/truth.md.

The text of the page is kept: only what stands below the mark is written anew::

    python -m benchmarks.truth.run
"""

import argparse
import platform
import time
from pathlib import Path

import numpy as np
import scipy

import skcrit

from . import functions, labels, networks, sets, surfaces, tails

__all__ = ["TABLES", "main"]

PAGE = Path(__file__).resolve().parents[2] / "doc" / "truth.md"
MARK = "<!-- measured by make truth -->"

# Title, name of the last column, and the rows.
TABLES = {
    "Morse index and nullity": ("share known", labels.rows),
    "Small networks": ("share known", networks.rows),
    "Sets split or merged": ("share of starts that converge", sets.rows),
    "Functions of one's own": ("share of the sets that is found", functions.rows),
    "Other people's surfaces": ("share that is known or found", surfaces.rows),
    "False critical points": ("share of starts that end at one", tails.rows),
}


def main():
    """Measure, and print the tables or write them to the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small part, printed")
    parser.add_argument("--only", nargs="+", choices=list(TABLES), default=list(TABLES))
    args = parser.parse_args()
    wrong = 0
    for title in args.only:
        text, count = section(title, args.quick)
        wrong += count
        if args.quick:
            print(text)
        else:
            replace_section(title, text)
    return int(wrong > 0)


def section(title, quick):
    """Measure a table; return it as text, and how much is wrong."""
    last, rows = TABLES[title]
    begin = time.process_time()
    found = list(rows(quick))
    minutes = (time.process_time() - begin) / 60
    wrong = sum(row.wrong for row in found)
    lines = [f"## {title}", "", f"| what | tried | wrong | {last} |", "|---" * 4 + "|"]
    lines += [f"| {r.what} | {r.n} | {r.wrong} | {r.known:.3f} |" for r in found]
    lines += [f"| all | {sum(row.n for row in found)} | {wrong} | |", ""]
    lines += [
        f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy "
        f"{scipy.__version__}, skcrit {skcrit.__version__}, {platform.machine()}; "
        f"{minutes:.1f} minutes of one core."
    ]
    return "\n".join(lines), wrong


def replace_section(title, text):
    """Write a table to the page, and keep the others."""
    kept, measured = PAGE.read_text(encoding="utf-8").split(MARK)
    parts = {part.split("\n")[0]: part for part in measured.split("\n## ")[1:]}
    parts[title] = text.removeprefix("## ")
    ordered = ["## " + parts[name].strip() for name in TABLES if name in parts]
    PAGE.write_text("\n\n".join([kept + MARK, *ordered]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
