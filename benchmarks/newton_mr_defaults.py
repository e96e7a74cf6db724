"""Measure what truncation, regularisation and step bounds do to Newton-MR.

Every setting runs from the same starts: the paper's experiment (16-4-16, covariance
diag(1, ..., 16), 10 000 samples, 5 descents x 15 uniform-height starts), several draws.
The table goes to ``doc/newton_mr_defaults.md``, the raw numbers beside it as JSON.
"""

import argparse
import json
import platform
import time
import warnings
from pathlib import Path

import numpy as np
import sklearn
from scipy.stats import binomtest

import skcrit
from skcrit import LinearAutoencoderLoss, NewtonMRFinder, TrajectoryStarts
from skcrit.datasets import make_gaussian_spectrum
from skcrit.exceptions import NotConvergedWarning

DOC = Path(__file__).resolve().parents[1] / "doc"
MARK = "<!-- The rest of this page is written by `make bench-defaults`. -->"

BOTH = (True, False)
STUDY = [
    *({"inner_tol": 0.01, "max_inner_iter": m} for m in (15, 25, 50, 100, 200)),
    *({"inner_tol": t} for t in (0.1, 0.5)),
    {"max_step": 0.3},
    {"regularization": 0.01},
]
# First what is the default, then each ingredient alone around the published method. All
# but the defaults are measured without the fallback, which would hide what they do.
SETTINGS = [
    {},
    {"fallback": False},
    {"inner_tol": 0.01},
    {"window": 20},
    {"balance": False},
    *({"balance": b, "window": 1, **setting} for b in BOTH for setting in STUDY),
]


def run(setting, draw, n_starts):
    """Fit one setting on one draw of data and starts."""
    X = make_gaussian_spectrum(10_000, random_state=draw)
    finder = NewtonMRFinder(
        LinearAutoencoderLoss((4,)),
        n_starts=n_starts,
        init=TrajectoryStarts(n_trajectories=5),
        tol=1e-20,
        store_history=True,
        random_state=draw,
        **{"fallback": not setting, **setting},
    )
    starts = finder.init.sample(LinearAutoencoderLoss((4,)).fit(X), n_starts, draw)
    finder.set_params(init=starts)
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        finder.fit(X)
    seconds = time.perf_counter() - begin
    squared = finder.history_["squared_grad_norm"]
    below = squared < 1e-10
    reached = below.any(axis=1)
    found = finder.loss_.analytical_spectrum().match(finder.final_params_)
    hits = finder.converged_ & found.identified
    sets = {found.set[i] for i in np.flatnonzero(hits)}
    failed = ~finder.converged_
    statuses = finder.results_["status"][failed]
    return {
        "starts": n_starts,
        "below_1e-10": int(reached.sum()),
        "converged_at_1e-20": int(finder.converged_.sum()),
        "iterations": [int(i) for i in np.argmax(below, axis=1)[reached]],
        "products": int(finder.results_["n_hvp"].sum()),
        "sets": len(sets),
        "origin": sum(found.set[i] == () for i in np.flatnonzero(hits)),
        "failures": {s: int(np.sum(statuses == s)) for s in np.unique(statuses)},
        "condition_of_failures": condition_of_layers(finder, failed),
        "seconds": seconds,
    }


def condition_of_layers(finder, rows):
    """Compute the condition number of the first layer of some end points."""
    first = finder.loss_.weights(finder.final_params_[rows])[0]
    return [float(c) for c in np.linalg.cond(first)]


def interval(hits, n):
    """Format a share with its 95 % Wilson interval."""
    low, high = binomtest(hits, n).proportion_ci(method="wilson")
    return f"{hits / n:.3f} [{low:.2f}, {high:.2f}]"


def row(setting, runs):
    """Format one line of the table."""
    n = sum(r["starts"] for r in runs)
    iterations = [i for r in runs for i in r["iterations"]] or [0]
    quartiles = np.percentile(iterations, [25, 50, 75])
    conditions = [c for r in runs for c in r["condition_of_failures"]]
    failures = {}
    for r in runs:
        for status, count in r["failures"].items():
            failures[status] = failures.get(status, 0) + count
    cells = [
        ", ".join(f"{k}={v}" for k, v in setting.items()) or "defaults",
        interval(sum(r["below_1e-10"] for r in runs), n),
        interval(sum(r["converged_at_1e-20"] for r in runs), n),
        "{1:.0f} ({0:.0f}-{2:.0f})".format(*quartiles),
        f"{sum(r['products'] for r in runs) / n:.0f}",
        f"{np.mean([r['sets'] for r in runs]):.1f}",
        f"{sum(r['origin'] for r in runs) / n:.2f}",
        ", ".join(f"{v} {k}" for k, v in sorted(failures.items())) or "none",
        f"{np.median(conditions):.0e}" if conditions else "",
    ]
    return "| " + " | ".join(cells) + " |"


def main():
    """Run all settings and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=["full", "small"], default="full")
    parser.add_argument("--output", type=Path, default=DOC)
    args = parser.parse_args()
    draws, n_starts = (2, 75) if args.scale == "full" else (1, 10)
    settings = SETTINGS if args.scale == "full" else [SETTINGS[0], SETTINGS[4]]
    header = (
        "| setting | < 1e-10 | converged at 1e-20 | "
        "iterations to 1e-10, median (quartiles) | products per start | "
        "distinct sets per 75 starts | share at the origin | failures | "
        "median condition of W_1 at failures |"
    )
    lines, record = [header, "|" + "---|" * header.count(" | ") + "---|"], []
    for setting in settings:
        runs = [run(setting, draw, n_starts) for draw in range(draws)]
        record.append({"setting": setting, "runs": runs})
        lines.append(row(setting, runs))
        print(lines[-1], flush=True)
    machine = (
        f"{draws} draws of {n_starts} starts; {platform.machine()}, Python "
        f"{platform.python_version()}, NumPy {np.__version__}, scikit-learn "
        f"{sklearn.__version__}, skcrit {skcrit.__version__}."
    )
    args.output.mkdir(parents=True, exist_ok=True)
    page = args.output / "newton_mr_defaults.md"
    prose = page.read_text().split(MARK)[0] if page.exists() else ""
    page.write_text(prose + "\n".join([MARK, "", machine, "", *lines, ""]))
    raw = {"machine": machine, "settings": record}
    (args.output / "newton_mr_defaults.json").write_text(json.dumps(raw) + "\n")


if __name__ == "__main__":
    main()
