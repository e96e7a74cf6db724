"""Numbers of the page on nonlinear networks: from result files into the page.

``python doc/nonlinear_numbers.py FOLDER`` takes the files of ``make nonlinear`` and of
``examples/nonlinear/verdict.py`` from a folder into ``doc/nonlinear/``, and writes
what follows from them into the page. A test finds out whether they agree.
"""

import json
import re
import shutil
import sys
import warnings
from pathlib import Path

from scipy.stats import spearmanr

__all__ = ["PAGE", "blocks", "results", "rewritten"]

DOC = Path(__file__).resolve().parent
PAGE, FOLDER = DOC / "nonlinear.md", DOC / "nonlinear"
PARTS = ("known", "starts", "checks", "large", "study", "verdict")

# Names of the study's methods on the page; others have their own.
METHODS = {
    "Newton-MR, their settings": "Newton-MR, the study's settings",
    "Newton-MR, our defaults": "Newton-MR, our defaults",
}
CUTOFFS = ("0.0001", "1e-06", "1e-08", "1e-10", "1e-20")
# The published finder, in the table of ten starts.
PUBLISHED = "published, by autograd"


def results(folder=FOLDER):
    """Read the result files of a folder: lists of rows by the name of the part."""
    found = {}
    for part in PARTS:
        # The quick version of a part stands in for the whole one.
        for name in (f"nonlinear_{part}.json", f"nonlinear_small_{part}.json"):
            if (folder / name).exists():
                found[part] = json.loads((folder / name).read_text("utf-8"))
                break
    return found


def table(heads, rows):
    """Write a table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def share(x):
    """Write a share."""
    return f"{x:.2f}" if x else "0"


def listed(numbers, form="{:.3f}"):
    """Write several numbers."""
    return ", ".join(form.format(x) for x in numbers)


def correlation(row):
    """Rank the ends of runs by loss and by index fraction, and correlate."""
    if row["runs"] < 3:
        return "-"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all fractions are the same
        found = spearmanr(row["ends: loss, index fraction"]).statistic
    return "-" if found != found else f"{found:.2f}"


def study(rows):
    """Write the table of the four networks."""
    heads = ["network, method", "below 1e-4", "1e-6", "1e-8", "1e-10", "1e-20"]
    heads += ["confirmed", "index fraction: least, median, largest"]
    heads += ["loss and index", "near zero", "processor time"]
    lines = []
    for row in rows:
        method = METHODS.get(row["method"], row["method"])
        method += "" if row["runs"] > 2 else f" ({row['runs']} runs)"
        lines.append([
            f"{row['network']}, {method}",
            *(share(row[f"below {cut}"]) for cut in CUTOFFS),
            share(row["confirmed"]),
            listed(row["index fraction: least, median, largest"]),
            correlation(row),
            f"{row['median share |eigenvalue| < 1e-3']:.2f}",
            f"{row['seconds: wall, processor'][1]:.0f} s",
        ])
    return table(heads, lines)


def flatness(rows):
    """Write how many runs of the study were gradient-flat."""
    flat = [row for row in rows if any("inner" in key for key in row)]
    runs = sum(row["runs"] for row in flat)
    ways = {
        "at the end, by steps solved to 5e-4": "r > 0.9 at the end (inner 5e-4)",
        "the same, with the second ratio": "and r_H < 5e-4 (inner 5e-4)",
        "at the largest along the run": "largest r > 0.9 (inner 5e-4)",
        "at the end, by steps solved to 1e-10 in at most 25 products": (
            "r > 0.9 at the end (inner 1e-10, 25 steps)"
        ),
        "at the largest along the run, by these steps": (
            "largest r > 0.9 (inner 1e-10, 25 steps)"
        ),
    }
    lines = [
        [name, f"{sum(round(row[key] * row['runs']) for row in flat)} of {runs}"]
        for name, key in ways.items()
    ]
    return table(["runs of Newton-MR with r > 0.9", "all networks"], lines)


def known(rows):
    """Write the table of small networks, a row for the seeds of each budget."""
    heads = ["network", "parameters", "searches allowed", "in the list"]
    heads += ["of them found", "others found", "wrong index", "largest gradient"]
    heads += ["Euler sum", "searches", "processor time"]
    lines, fits = [], {}
    for row in rows:
        fits.setdefault((row["network"], row["searches allowed"]), []).append(row)
    for (name, allowed), mine in fits.items():
        seconds = [row["processor seconds"] for row in mine]
        lines.append([
            name,
            mine[0]["parameters"],
            allowed,
            mine[0]["known classes"],
            listed([row["of them found"] for row in mine], "{}"),
            listed([row["not in the list"] for row in mine], "{}"),
            listed([row["wrong index"] for row in mine], "{}"),
            f"{max(row['largest gradient'] for row in mine):.0e}",
            listed([row["Euler sum"] for row in mine], "{:.0f}"),
            listed([row["searches"] for row in mine], "{}"),
            f"{min(seconds):.0f} to {max(seconds):.0f} s",
        ])
    return table(heads, lines)


def published_seconds(rows):
    """Read off how long the published finder takes per start."""
    (row,) = (row for row in rows if row["finder"] == PUBLISHED)
    return row["seconds per start: processor, wall"][0]


def ten_starts(rows):
    """Write the table of ten starts on 4-5-3."""
    heads = ["finder", "starts", "iterations", "tol", "below 1e-20"]
    heads += ["of them the constant predictor", "confirmed", "sets"]
    heads += ["processor time per start", "published over it"]
    lines, published = [], published_seconds(rows)
    for row in rows:
        max_iter, tol = row["max_iter, tol"]
        seconds = row["seconds per start: processor, wall"][0]
        lines.append([
            row["finder"] if row["finder"] == PUBLISHED else f"`{row['finder']}`",
            row["starts"],
            max_iter,
            tol,
            row["below 1e-20"],
            row["of them constant predictors"],
            *("-" if row[k] is None else row[k] for k in ("confirmed", "sets")),
            f"{seconds:.3f} s",
            f"{published / seconds:.0f}",
        ])
    return table(heads, lines)


def dense(rows):
    """Write how intervals at 1210 parameters compare with dense Hessians."""
    (row,) = (row for row in rows if "dense" in row["what"])
    bounds, hessian = row["median processor seconds: bounds, Hessian with eigenvalues"]
    return table(
        [
            "points",
            "covered",
            "median width",
            "time",
            "time of Hessian and eigenvalues",
        ],
        [
            [
                row["points"],
                row["covered"],
                f"{row['median width']:g}",
                f"{bounds:.2f} s",
                f"{hessian:.2f} s",
            ]
        ],
    )


def levels(rows):
    """Write how intervals at 23 860 parameters compare with all eigenvalues."""
    heads = ["alpha", "level", "negative, flat, positive", "covered", "widths", "time"]
    lines = []
    for row in rows:
        if "level" not in row["what"]:
            continue
        for point in row["points"]:
            lines.append([
                row["alpha"],
                f"{point['level']:.0e}",
                listed(point["negative, flat, positive"], "{:.4f}"),
                f"{sum(point['covered'])} of 3",
                listed(point["widths"], "{:.4f}"),
                f"{point['processor seconds']:.0f} s",
            ])
    return table(heads, lines)


def infinity(rows):
    """Write what searches without a penalty end in."""
    heads = ["loss", "CONVERGED", "of these moved by 20 Newton steps"]
    heads += ["largest norm", "other ends"]
    lines = []
    for row in rows:
        if not row["what"].startswith("unregularised"):
            continue
        status = dict(row["status"])
        lines.append([
            f"`{row['what'].split(', ')[1]}`",
            status.pop("CONVERGED", 0),
            row["converged that 20 Newton steps move by more than 1 %"],
            f"{row['largest norm of a converged end'] or 0:.2g}",
            ", ".join(f"{count} {name}" for name, count in status.items()),
        ])
    return table(heads, lines)


def large(rows):
    """Write the verdicts on networks whose Hessians are not formed."""
    heads = ["network", "parameters", "alpha", "images", "negative: interval"]
    heads += ["flat", "positive", "level", "gradient, product", "verdict", "memory"]
    lines = []
    for row in rows:
        gradient, product, _, verdict = row[
            "processor seconds: gradient, product, search, verdict"
        ]
        low, high = row["their intervals"][0]
        _, flat, positive = row["negative, flat, positive"]
        lines.append([
            row["network"],
            row["parameters"],
            row["alpha"],
            row["images"],
            f"{low:.4f} to {high:.4f}",
            f"{flat:.4f}",
            f"{positive:.4f}",
            f"{row['level']:.0e}",
            f"{1e3 * gradient:.1f} and {1e3 * product:.1f} ms",
            f"{verdict:.1f} s",
            f"{row['peak memory, MB']} MB",
        ])
    return table(heads, lines)


def verdict(rows):
    """Write what products show about a trained PyTorch network."""
    heads = ["steps of Adam", "loss", "gradient norm", "residual ratio", "level"]
    heads += ["negative", "flat", "positive", "flatness, lowest, index"]
    lines = [
        [
            row["steps of Adam"],
            f"{row['loss']:.3g}",
            f"{row['gradient norm']:.2g}",
            f"{row['residual ratio']:.4f}",
            f"{row['resolved to']:g}",
            *(f"{low:.4f} to {high:.4f}" for low, high in row["their intervals"]),
            listed(row["processor seconds: flatness, lowest, index"], "{:.1f} s"),
        ]
        for row in rows
    ]
    return table(heads, lines)


BLOCKS = {
    "study": [study, flatness],
    "known": [known],
    "starts": [ten_starts],
    "checks": [infinity, dense, levels],
    "large": [large],
    "verdict": [verdict],
}


def blocks(found):
    """List what the page states, by the name of its place.

    Parameters
    ----------
    found : dict of str to list of dict
        Rows of the parts.

    Returns
    -------
    blocks : dict of str to str
        Tables.
    """
    return {
        write.__name__: write(rows)
        for part, rows in found.items()
        for write in BLOCKS[part]
    }


def rewritten(text, found):
    """Return the page with the numbers of the results."""
    for name, block in blocks(found).items():
        place = re.compile(
            rf"(<!-- measured: {name} -->\n)(?:.*?\n)??(<!-- end -->)", re.DOTALL
        )
        text, n_places = place.subn(
            lambda match, block=block: f"{match[1]}{block}\n{match[2]}", text
        )
        if n_places != 1:
            raise ValueError(f"The page has {n_places} places for {name!r}.")
    return text


def main(folder):
    """Take over the results of a folder."""
    FOLDER.mkdir(exist_ok=True)
    for path in folder.glob("nonlinear_*.json"):
        shutil.copy(path, FOLDER / path.name)
    for path in FOLDER.glob("nonlinear_small_*.json"):
        if (FOLDER / path.name.replace("_small", "", 1)).exists():
            path.unlink()  # of the quick version, in place of which the whole one is
    text = rewritten(PAGE.read_text("utf-8"), results())
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
