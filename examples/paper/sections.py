"""The tables of the report."""

import numpy as np
from checks import (
    early_stops,
    flat_minima,
    published_index,
    reached,
    slope_of_newton_tr,
)
from experiments import INTENDED, NOISE, PUBLISHED, SUCCESS
from published import ENTROPY, ITERATIONS, RERUN, SECONDS, SUCCESSES
from scipy.stats import mannwhitneyu
from summaries import entropy, pool, select, share, summarize

from skcrit.metrics import judge

__all__ = [
    "bias_table",
    "checks_table",
    "costs_table",
    "performance_tables",
    "rerun_table",
    "tolerance_table",
]

ROWS = {
    "runs": "runs",
    "success": "final squared gradient norm < 1e-10",
    "below_tol": "final squared gradient norm < 1e-20",
    "reached": "squared gradient norm <= 1e-10, at the balanced point too",
    "critical": "and a critical point nearby: converged at 1e-10",
    "identified": "identified with an analytical set, of the converged",
    "index_right": "and Morse index equal to the formula's",
    "iterations": "iterations to 1e-10",
    "ended": "iterations of successful runs until they end, mean (quartiles)",
    "products": "products to 1e-10",
    "gradients": "gradients to 1e-10",
    "all_products": "products of all runs until they end",
    "sets": "distinct critical sets found, by draw",
    "global": "ended in the global minimum, of all",
    "origin": "ended at the origin, of the converged",
    "entropy": "entropy of participation, first draw",
    "time": "time per 100 iterations of one run, ours on one core",
    "status": "status",
}

BUDGETS = (300, 1000, 3000, 10_000, 100_000)


def performance_tables(fits):
    """Describe all methods: authors beside as published, and as intended.

    Parameters
    ----------
    fits : list of Fit
        Fits of the performance experiment.

    Returns
    -------
    published, intended : list of str
        Tables in Markdown.
    """
    names = [m for c, m in _names(fits) if c == PUBLISHED]
    columns = [summarize(select(fits, column=PUBLISHED, method=m)) for m in names]
    head, cells = [""], []
    for name, column in zip(names, columns, strict=True):
        if name in SUCCESSES:
            head.append(f"{name}, authors")
            k, n = SUCCESSES[name]
            cells.append({
                "runs": str(n),
                "success": share(k, n),
                "ended": ITERATIONS.get(name, "-"),
                "time": f"{1000 * SECONDS[name]:.0f} ms",
            })
        head.append(f"{name}, as published")
        cells.append(column)
    published = _table(head, _body(cells))
    names = [m for c, m in _names(fits) if c == INTENDED]
    cells = [summarize(select(fits, column=INTENDED, method=m)) for m in names]
    return published, _table(["", *names], _body(cells))


def rerun_table(fits):
    """Compare our version of the programs with the re-run of the authors' own.

    Parameters
    ----------
    fits : list of Fit
        All fits.

    Returns
    -------
    table : list of str
        Table in Markdown.
    """
    head = ["method, starts", "", "runs", "success", "inside"]
    head += ["< 1e-20", "iterations to 1e-10", "distinct sets", "entropy, bits"]
    body = []
    for row in RERUN:
        low, high = row["interval"]
        own = select(fits, column=PUBLISHED, **{k: row[k] for k in _SETTINGS})
        # Starts of uniform height without noise are in two experiments: the first.
        own = [f for f in own if len(f.runs) == len(own[0].runs)]
        ours, runs = summarize(own), pool(own)
        inside = low - 0.005 <= runs["success"].mean() <= high + 0.005
        title = f"{row['method']}, {row['by']}"
        if row["noise"]:
            title += f", noise {row['noise']:g}"
        body.append([
            title,
            "re-run",
            str(row["runs"]),
            f"{row['success']:.2f} [{low:.2f}, {high:.2f}]",
            "",
            f"{row['below']:.2f}",
            row["iterations"],
            str(row["sets"]),
            row["entropy"],
        ])
        cells = [ours[k] for k in ("runs", "success")]
        cells += ["yes" if inside else "**no**"]
        cells += [ours[k] for k in ("below_tol", "iterations", "sets", "entropy")]
        body.append(["", "as published", *cells])
    return _table(head, body)


_SETTINGS = ("method", "by", "noise")


def costs_table(fits):
    """Give the fraction of converged starts for budgets of products.

    Parameters
    ----------
    fits : list of Fit
        Fits of the performance experiment.

    Returns
    -------
    table : list of str
        Table in Markdown.
    """
    body = []
    for column, method in _names(fits):
        spent = pool(select(fits, column=column, method=method))["n_hvp_to_success"]
        cells = [share(np.sum(spent <= budget), len(spent)) for budget in BUDGETS]
        body.append([f"{method}, {column}", *cells])
    return _table(["products at most", *(f"{b:,}" for b in BUDGETS)], body)


def tolerance_table(fits):
    """Describe the points at which runs first reach each tolerance.

    Parameters
    ----------
    fits : list of Fit
        Fits of the performance experiment.

    Returns
    -------
    table : list of str
        Table in Markdown.
    """
    head = ["Newton-MR", "squared gradient norm", "reached", "true, the study's index"]
    head += ["mean index error, the study's index"]
    head += ["true, our index", "mean index error, our index", "index unknown"]
    body = []
    for column in (PUBLISHED, INTENDED):
        own = select(fits, column=column, method="Newton-MR")
        for tol in (SUCCESS, 1e-8, 1e-6, np.inf):
            finders = [f.curve.finders[list(f.curve.tols).index(tol)] for f in own]
            name = "none (starts)" if np.isinf(tol) else f"{tol:.0e}"
            body.append([column, name, *_tolerance_cells(finders)])
    return _table(head, body)


def _tolerance_cells(finders):
    """Judge finders at a tolerance by the study's definition of the index and ours."""
    n, parts = sum(len(f.converged_) for f in finders), []
    for finder in finders:
        stopped, judgement = reached(finder), judge(finder)
        predicted = judgement.predicted_index / finder.n_params_
        known = stopped & (judgement.morse_index >= 0)
        theirs = published_index(finder)
        matches = np.isclose(theirs, predicted)
        ours = judgement.morse_index / finder.n_params_
        parts.append((
            stopped,
            stopped & matches & judgement.identified & judgement.loss_right,
            np.abs(theirs - predicted)[stopped],
            judgement.hit,
            np.abs(ours - predicted)[known],
            stopped & ~known,
        ))
    stopped, true, error, hit, own_error, unknown = map(
        np.concatenate, zip(*parts, strict=True)
    )
    return [
        share(stopped.sum(), n),
        share(true.sum(), stopped.sum()),
        _mean(error),
        share(hit.sum(), stopped.sum()),
        _mean(own_error),
        str(unknown.sum()),
    ]


def bias_table(fits):
    """Give the entropies of participation of all samples.

    Parameters
    ----------
    fits : list of Fit
        Fits of the bias experiments.

    Returns
    -------
    table : list of str
        Table in Markdown.
    """
    names = [name for name in _names(fits) if name[1] != "GNM"]
    head = ["starts", "noise variance", "authors", *(f"{m}, {c}" for c, m in names)]
    body = []
    for by in ENTROPY:
        for noise in NOISE:
            authors = ENTROPY[by].get(noise)
            cells = [f"{authors:.2f}" if authors else "-"]
            for column, method in names:
                own = {"column": column, "method": method, "by": by, "noise": noise}
                (fit,) = select(fits, **own)
                cells.append(entropy(fit.found))
            body.append([f"by {by}", f"{noise:g}", *cells])
    return _table(head, body)


def checks_table(study):
    """Check claims about single runs.

    Parameters
    ----------
    study : Study
        All fits.

    Returns
    -------
    table : list of str
        Table in Markdown.
    """
    fits = study.performance
    body = [_slope_row(fits), _stops_row([*fits, *study.bias]), _mann_whitney_row(fits)]
    for method in [m for c, m in _names(fits) if c == INTENDED and m.startswith("GNM")]:
        own = select(fits, column=INTENDED, method=method)
        counts = [flat_minima(fit.finder, SUCCESS) for fit in own]
        failed, minima = (sum(c[i] for c in counts) for i in range(2))
        slope = np.nanmedian([c[2] for c in counts]) if failed else np.nan
        text = f"{minima} of {failed}"
        if failed:
            text += f"; median of norm(Hg) / (norm(H) norm(g)) {slope:.1e}"
        title = f"{method}, as intended: failed runs at a minimum of the gradient norm"
        body.append([title, text])
    return _table(["claim", "measured"], body)


def _slope_row(fits):
    fit = select(fits, column=PUBLISHED, method="Newton-TR", draw=0)[0]
    slopes = slope_of_newton_tr(fit.finder)
    text = "-"
    if len(slopes):
        low, middle, high = np.percentile(slopes, [25, 50, 75])
        off = abs(middle / 0.0915 - 1)
        text = f"median {middle:.4f} (quartiles {low:.4f}, {high:.4f}; "
        text += f"{len(slopes)} runs), {off:.1%} from 0.0915"
    title = "Newton-TR, as published: decades of squared gradient norm per iteration"
    return [title, text]


def _stops_row(fits):
    counts = [
        early_stops(f.finder) for f in select(fits, column=PUBLISHED, method="GNM")
    ]
    stops, collapses = (sum(c[i] for c in counts) for i in range(2))
    title = "GNM, as published: early stops where an acceptable step exists"
    return [title, f"{collapses} of {stops} (the re-run: 71 of 71)"]


def _mann_whitney_row(fits):
    texts = []
    for column in (PUBLISHED, INTENDED):
        both = []
        for method in ("Newton-MR", "Newton-TR"):
            runs = pool(select(fits, column=column, method=method))
            both.append(runs.loc[runs["success"], "n_iter"])
        if min(map(len, both)):
            texts.append(f"{column} {mannwhitneyu(*both).pvalue:.1g}")
    title = "Newton-MR against Newton-TR: Mann-Whitney p of iterations until the end"
    return [title, "; ".join([*texts, "authors 1e-8"])]


def _names(fits):
    """List columns and methods in order."""
    return list(dict.fromkeys((fit.column, fit.method) for fit in fits))


def _body(cells):
    """Lay summaries beside each other."""
    return [
        [title, *(cell.get(key, "-") for cell in cells)] for key, title in ROWS.items()
    ]


def _mean(values):
    return f"{np.mean(values):.4f}" if len(values) else "-"


def _table(head, body):
    """Write a table in Markdown."""
    rows = [head, ["---"] * len(head), *body]
    return [
        "| " + " | ".join(row).replace("|H| |g|", "\\|H\\| \\|g\\|") + " |"
        for row in rows
    ]
