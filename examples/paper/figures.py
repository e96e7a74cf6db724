"""The study's figures, from our own runs, and one that it did not have."""

import matplotlib.pyplot as plt
import numpy as np
from checks import published_index, reached
from experiments import INTENDED, NOISE, PUBLISHED, SUCCESS
from matplotlib.ticker import NullFormatter
from published import ENTROPY
from summaries import entropies, pool, select

from skcrit.inspection import (
    ConvergenceDisplay,
    LossIndexDisplay,
    ParticipationDisplay,
)

__all__ = ["figure1", "figure2", "figure3", "figure_costs"]

# Colours of Okabe & Ito (2008); line styles and markers say the same.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"]
COLOURS += ["black", "0.6"]
SMALL = {"fontsize": "small", "framealpha": 0.9, "handlelength": 1.8}
TITLE = {"fontsize": "medium"}

# Thousands of points in each of many panels: not as shapes.
FLAT = {"rasterized": True}

# Iterations drawn of long runs, evenly spaced in the logarithm.
N_DRAWN = 300


def figure1(fits):
    """Draw performance: convergence above, loss and index below, for both columns.

    Parameters
    ----------
    fits : list of Fit
        Fits of the performance experiment.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure, a column per method.
    """
    rows = [
        (PUBLISHED, ("Newton-MR", "Newton-TR", "GNM")),
        (INTENDED, ("Newton-MR", "Newton-TR", "GNM, l-bfgs")),
    ]
    figure, axes = plt.subplots(4, 3, figsize=(7.2, 9.6), layout="constrained")
    for (column, methods), pair in zip(rows, (axes[:2], axes[2:]), strict=True):
        for place, method in enumerate(methods):
            fit = select(fits, column=column, method=method, draw=0)[0]
            _convergence(fit, pair[0, place])
            _loss_index(fit.found, pair[1, place])
            pair[0, place].set_title(f"{method}, {column}", fontsize="small")
    for row, letter in zip(axes, "abcd", strict=True):
        _letter(row[0], letter)
        for ax in row[1:]:
            ax.set_ylabel("")
            ax.sharey(row[0])
    for row in axes[1::2]:
        _make_room(row[0])
    for row in axes[::2]:
        # One run that leaps for an iteration would press the others together. Above
        # the runs there is room for the legend.
        row[0].set_ylim(1e-6 * SUCCESS, 1e13)
        row[0].set_yticks([1e-15, 1e-10, 1e-5, 1])
    return figure


def _loss_index(finder, ax):
    """Draw loss against index over the analytical points."""
    LossIndexDisplay.from_estimator(finder, ax=ax, analytical_kw=FLAT)


def _convergence(fit, ax):
    """Draw the squared gradient norm of all runs, to their ends."""
    squared = fit.finder.history_["squared_grad_norm"]
    last = np.sum(np.isfinite(squared), axis=1) - 1
    spread = np.geomspace(1, squared.shape[1], N_DRAWN).astype(int) - 1
    # A run ends at its last iterate, wherever that is.
    drawn = np.unique(np.concatenate([spread, last, np.arange(50)]))
    drawn = drawn[drawn < squared.shape[1]]
    display = ConvergenceDisplay(squared, fit.runs["success"].to_numpy(), SUCCESS)
    display.plot(ax)
    for line, row in zip(display.lines_, squared, strict=True):
        keep = drawn[np.isfinite(row[drawn])]
        line.set_data(keep, row[keep])
        line.set_markevery([keep.size - 1])
    if squared.shape[1] > 2000:
        ax.set_xticks([0, 1, 10, 100, 1000, 10_000], ["0", "1", "", "100", "", "10000"])


def figure2(fits):
    """Draw loss against index for runs that are cut at loose tolerances.

    Parameters
    ----------
    fits : list of Fit
        Fits of the performance experiment.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure, a column per tolerance: above, the published program with its own
        definition of the index; below, ours.
    """
    figure, axes = plt.subplots(
        2, 4, figsize=(9.6, 4.8), sharex=True, sharey=True, layout="constrained"
    )
    above = select(fits, column=PUBLISHED, method="Newton-MR", draw=0)[0]
    below = select(fits, column=INTENDED, method="Newton-MR", draw=0)[0]
    for place, tol in enumerate((SUCCESS, 1e-8, 1e-6, np.inf)):
        ax = axes[0, place]
        _with_published_index(_at(above, tol), ax)
        title = "starts" if np.isinf(tol) else f"squared norm $\\leq$ {tol:.0e}"
        ax.set_title(title, **TITLE)
        ax.set_xlabel("")
        _loss_index(_at(below, tol), axes[1, place])
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
    _make_room(axes[0, 0])
    for ax, column, letter in zip(axes[:, 0], (PUBLISHED, INTENDED), "ab", strict=True):
        ax.set_ylabel(f"{column.capitalize()}\n\nLoss")
        _letter(ax, letter)
    return figure


def _make_room(ax):
    """Leave room for the legend below all points."""
    low, high = ax.get_ylim()
    ax.set_ylim(bottom=low - 0.35 * (high - low))


def _at(fit, tol):
    """Return the finder of a fit at a tolerance."""
    return fit.curve.finders[list(fit.curve.tols).index(tol)]


def _with_published_index(finder, ax):
    """Draw points with the index that the study counts, over the analytical ones."""
    spectrum = finder.loss_.analytical_spectrum()
    sets = spectrum.all_sets(spectrum.n_sets)
    drawn = reached(finder)
    display = LossIndexDisplay(
        finder.results_["loss"][drawn],
        published_index(finder)[drawn],
        len(drawn),
        analytical_loss=spectrum.losses(sets),
        analytical_index_fraction=spectrum.index_fractions(sets),
        n_sets=spectrum.n_sets,
    ).plot(ax, analytical_kw=FLAT)
    # The study asks for a small gradient only.
    display.points_[0].set_label(f"reached: {drawn.sum()} of {len(drawn)} starts")
    ax.legend(loc="lower right", **SMALL)


def figure3(fits):
    """Draw which eigenvectors, indices and losses are sampled, with and without noise.

    Parameters
    ----------
    fits : list of Fit
        Fits of a bias experiment: by height for figure 3, by iteration for figure 4.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure.
    """
    figure = plt.figure(figsize=(9.6, 8.4), layout="constrained")
    # The second row is the legend of panel c: intervals can span that whole panel.
    grid = figure.add_gridspec(4, 8, height_ratios=[1, 0.16, 1, 1])
    for place, column in enumerate((PUBLISHED, INTENDED)):
        ax = figure.add_subplot(grid[0, 3 * place : 3 * place + 3])
        fit = select(fits, column=column, method="Newton-MR", noise=0.0)[0]
        ParticipationDisplay.from_estimator(fit.found, ax=ax, random_state=0)
        ax.set_title(f"Newton-MR, {column}", **TITLE)
        _letter(ax, "ab"[place])
    _entropies(fits, figure.add_subplot(grid[0, 6:]), figure.add_subplot(grid[1, :]))
    first = None
    for place, noise in enumerate(NOISE):
        fit = select(fits, column=INTENDED, method="Newton-MR", noise=noise)[0]
        cells = slice(2 * place, 2 * place + 2)
        top = figure.add_subplot(grid[2, cells], sharex=first, sharey=first)
        first = first or top
        _loss_index(fit.found, top)
        top.set_title(f"noise variance {noise:g}", **TITLE)
        bottom = figure.add_subplot(grid[3, cells], sharex=first)
        _index_histogram(fit.found, bottom)
        if place == 0:
            _letter(top, "d")
            _letter(bottom, "e")
        else:
            top.set_ylabel("")
            bottom.set_ylabel("")
    _make_room(first)
    return figure


def _entropies(fits, ax, below):
    """Draw entropies by noise with their intervals, and the legend below."""
    names = list(dict.fromkeys((f.column, f.method) for f in fits if f.method != "GNM"))
    for place, (column, method) in enumerate(names):
        own = [select(fits, column=column, method=method, noise=n)[0] for n in NOISE]
        _, middle, low, high = np.transpose([entropies(fit.found) for fit in own])
        x = np.arange(len(NOISE)) + 0.2 * (place - (len(names) - 1) / 2)
        reach = np.abs([low - middle, high - middle])
        label = f"{method}, {column}"
        ax.errorbar(
            x,
            middle,
            yerr=reach,
            fmt="os^"[place],
            color=COLOURS[place],
            capsize=2,
            markersize=4,
            label=label,
        )
    authors = ENTROPY[fits[0].by]
    x = [NOISE.index(noise) for noise in authors]
    label = "authors (bin at 0 counted twice)"
    # A line of its own for each, as wide as the marks of a noise together.
    reach = np.full(len(x), 0.3)
    ax.errorbar(
        x, list(authors.values()), xerr=reach, fmt="none", ecolor="k", label=label
    )
    spectrum = fits[0].finder.loss_.analytical_spectrum()
    most = np.log2(spectrum.rank + 1)
    label = f"maximum, {most:.2f} bits"
    ax.axhline(most, color="black", linestyle=":", linewidth=1, label=label)
    ax.set_xticks(range(len(NOISE)), [f"{noise:g}" for noise in NOISE])
    ax.set_xlabel("Noise variance")
    ax.set_ylabel("Entropy (bits)")
    ax.set_ylim(1.2, 4.3)
    below.axis("off")
    handles, labels = ax.get_legend_handles_labels()
    below.legend(handles, labels, loc="center", ncols=3, title="Panel c", **SMALL)
    _letter(ax, "c")


def _index_histogram(finder, ax):
    """Draw how often each index was found, over how often it occurs."""
    spectrum, n = finder.loss_.analytical_spectrum(), finder.n_params_
    histogram = spectrum.index_histogram()
    index = np.array(list(histogram))
    counts = np.array(list(histogram.values()), dtype=float)
    edges = np.arange(-0.5, index.max() + 4.5, 4)
    found = finder.results_["morse_index"]
    ax.hist(
        index / n,
        bins=edges / n,
        weights=counts / counts.sum(),
        color="0.8",
        label="all sets",
    )
    found = found[found >= 0]
    ax.hist(
        found / n,
        bins=edges / n,
        weights=np.full(len(found), 1 / max(len(found), 1)),
        histtype="step",
        color=COLOURS[0],
        label="found",
    )
    ax.set_xlabel("Index / number of\nparameters")
    ax.set_ylabel("Share")
    # Above the bars.
    ax.set_ylim(top=1.25 * ax.get_ylim()[1])
    ax.legend(loc="upper center", ncols=2, **SMALL)


def figure_costs(fits):
    """Draw the fraction of converged starts against the oracle calls spent.

    Parameters
    ----------
    fits : list of Fit
        Fits of the performance experiment.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure: Hessian-vector products on the left, gradients on the right.
    """
    figure, axes = plt.subplots(
        1, 2, figsize=(9.6, 5.0), sharey=True, layout="constrained"
    )
    names = list(dict.fromkeys((fit.column, fit.method) for fit in fits))
    for ax, unit in zip(axes, ("n_hvp", "n_gradient"), strict=True):
        for column in (PUBLISHED, INTENDED):
            own = [method for c, method in names if c == column]
            for colour, method in zip(COLOURS[: len(own)], own, strict=True):
                runs = pool(select(fits, column=column, method=method))
                spent = np.sort(runs[f"{unit}_to_success"].dropna())
                reached = np.arange(1, len(spent) + 1) / len(runs)
                style = "--" if column == PUBLISHED else "-"
                label = f"{method}, {column}"
                ax.step(spent, reached, style, where="post", color=colour, label=label)
        ax.set_xscale("log")
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.grid(alpha=0.3)
    axes[0].set_xlabel("Hessian-vector products per start")
    axes[1].set_xlabel("Gradients per start")
    axes[0].set_ylabel(f"Fraction of starts converged at {SUCCESS:.0e}")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, **SMALL)
    _letter(axes[0], "a")
    _letter(axes[1], "b")
    return figure


def _letter(ax, letter):
    """Name a panel."""
    ax.set_title(letter, loc="left", fontweight="bold", **TITLE)
