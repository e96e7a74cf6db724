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

from . import labels, networks, tails

__all__ = ["TABLES", "main"]

PAGE = Path(__file__).resolve().parents[2] / "doc" / "truth.md"
MARK = "<!-- measured by make truth -->"

# Title, name of the last column, and the rows.
TABLES = {
    "Morse index and nullity": ("share known", labels.rows),
    "Small networks": ("share known", networks.rows),
    "False critical points": ("share of starts that end at one", tails.rows),
}


def main():
    """Measure, and print the tables or write them to the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small part, printed")
    quick = parser.parse_args().quick
    begin, lines, wrong = time.perf_counter(), [], 0
    for title, (last, rows) in TABLES.items():
        found = list(rows(quick))
        wrong += sum(row.wrong for row in found)
        lines += [f"## {title}", "", f"| what | tried | wrong | {last} |", "|---" * 4]
        lines[-1] += "|"
        lines += [f"| {r.what} | {r.n} | {r.wrong} | {r.known:.3f} |" for r in found]
        n = sum(row.n for row in found)
        lines += [f"| all | {n} | {sum(row.wrong for row in found)} | |", ""]
    minutes = (time.perf_counter() - begin) / 60
    head = f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy "
    head += f"{scipy.__version__}, skcrit {skcrit.__version__}, one process on "
    head += f"{platform.machine()}; {minutes:.1f} minutes."
    text = "\n".join([MARK, "", head, "", *lines]).rstrip() + "\n"
    if quick:
        print(text)
    else:
        kept = PAGE.read_text(encoding="utf-8").split(MARK)[0]
        PAGE.write_text(kept + text, encoding="utf-8")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
