"""Write the report: a table of the authors' numbers and ours, and one per draw."""

import os
import platform

import numpy
import scipy
import sklearn
from newton_mr import SUCCESS, TOL, VARIANTS, pool, share, summarize
from published import (
    NEWTON_MR_RERUN,
    NEWTON_MR_STORED,
    NEWTON_MR_SUCCESSES,
    REMARKS,
    SOURCE,
)

import skcrit

__all__ = ["write_report"]

ROWS = {
    "runs": "runs",
    "success": f"final squared gradient norm < {SUCCESS:g}",
    "below_tol": f"final squared gradient norm < {TOL:g}",
    "converged": "reported as converged",
    "iterations": f"iterations to {SUCCESS:g}, quartiles",
    "products": "Hessian-vector products per run, quartiles",
    "gradients": "gradients per run, quartiles",
    "sets": "distinct critical sets found",
    "origin": "origin, share of the converged",
    "entropy": "entropy of participation, bits, of at most log2(17) = 4.09",
    "identified": "identified with an analytical set, of the converged",
    "index_right": "Morse index equal to the formula's, of the converged",
    "accuracy": "recovered, of all: converged, identified, loss and index right",
    "seconds": "seconds per fit",
}


def write_report(path, fits, command, figure):
    """Write the report of all fits.

    Parameters
    ----------
    path : Path
        Markdown file to write.
    fits : list of Fit
        What ran.
    command : str
        Command that ran it.
    figure : str
        Name of the file of the figure, beside the report.
    """
    finder = fits[0].finder
    lines = [
        "# Newton-MR on a linear autoencoder, authors and skcrit",
        "",
        f"The first experiment of {SOURCE}: a linear autoencoder 16-4-16 on Gaussian "
        "data of covariance diag(1, ..., 16), searched from points drawn uniformly "
        f"over the loss along gradient descents ({finder.n_starts} starts on "
        f"{finder.init.n_trajectories} descents per draw of data). Brackets are 95 % "
        "Wilson intervals. A search is reported as converged when the squared gradient "
        f"norm is at most {TOL:g} both at its point and at the balanced point of the "
        "same end-to-end matrix.",
        "",
        f"Made by `{command}` on {_machine()}, {_versions()}.",
        "",
        "## Authors and skcrit",
        "",
        *_comparison(fits),
        "",
        *REMARKS,
        "",
        *_draws(fits),
        "## Figure",
        "",
        f"![Convergence, and loss against index]({figure})",
        "",
        "First draw. Above, the squared gradient norm of every search; below, loss "
        f"against index of the points found, over all "
        f"{finder.loss_.analytical_spectrum().n_sets} analytical critical sets.",
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


def _comparison(fits):
    """Lay the authors' numbers beside ours, all draws together."""
    successes, runs = NEWTON_MR_SUCCESSES
    stored = {"runs": str(runs), "success": share(successes, runs), **NEWTON_MR_STORED}
    columns = [stored, NEWTON_MR_RERUN]
    for name in VARIANTS:
        columns.append(_pooled(fits, name))
    head = ["", "authors, stored notebooks", "authors' code, re-run", *VARIANTS]
    body = [
        [title, *(column.get(key, "-") for column in columns)]
        for key, title in ROWS.items()
    ]
    return _table(head, body)


def _pooled(fits, name):
    """Describe all draws together, and give ranges for what grows with their number."""
    own = [fit for fit in fits if fit.variant == name]
    summary = summarize(pool(fits, name), [fit.seconds for fit in own])
    single = [summarize(fit.runs) for fit in own]
    for key in ("sets", "entropy"):
        values = sorted((one[key] for one in single), key=float)
        summary[key] = f"{values[0]} to {values[-1]} per draw; {summary[key]} in all"
    return summary


def _draws(fits):
    """Describe every draw."""
    lines = []
    for name in VARIANTS:
        own = [fit for fit in fits if fit.variant == name]
        head = ["", *(f"draw {fit.draw + 1}" for fit in own)]
        columns = [summarize(fit.runs, [fit.seconds]) for fit in own]
        body = [
            [title, *(column[key] for column in columns)] for key, title in ROWS.items()
        ]
        body.append(["status", *(_status(fit) for fit in own)])
        lines += [f"## {name}, by draw", "", *_table(head, body), ""]
    return lines


def _status(fit):
    counts = fit.runs["status"].value_counts()
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def _table(head, body):
    """Write a table in Markdown."""
    rows = [head, ["---"] * len(head), *body]
    return ["| " + " | ".join(row) + " |" for row in rows]


def _versions():
    modules = (skcrit, numpy, scipy, sklearn)
    texts = [f"{module.__name__} {module.__version__}" for module in modules]
    return ", ".join([f"Python {platform.python_version()}", *texts])


def _machine():
    """Name processor and cores."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            models = [line for line in file if line.startswith("model name")]
        name = models[0].split(":", 1)[1].strip() if models else name
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"
