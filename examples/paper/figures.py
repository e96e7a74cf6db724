"""The study's figures, from our own runs, and one that it did not have."""

import matplotlib
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

__all__ = ["figure1", "figure2", "figure3", "figure_costs", "save"]

# Here, for worker processes draw too.
matplotlib.use("Agg")

# Colours of Okabe & Ito (2008); line styles and markers say the same.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"]
COLOURS += ["black", "0.6"]
SMALL = {"fontsize": "small", "framealpha": 0.9, "handlelength": 1.8}
COUNTS = {"fontsize": "small", "linespacing": 1.3}
TITLE = {"fontsize": "medium"}

# Thousands of points in each of many panels: not as shapes.
FLAT = {"rasterized": True}

# Iterations drawn of long runs, evenly spaced in the logarithm.
N_DRAWN = 300


def save(path, draw, fits):
    """Draw a figure, and write it as PNG and SVG.

    Parameters
    ----------
    path : Path
        Where to write it, without a suffix.
    draw : callable
        One of the functions of this module.
    fits : list of Fit
        What it draws.
    """
    with plt.rc_context({"font.size": 9, "svg.fonttype": "none"}):
        figure = draw(fits)
        # Panels are laid out once for both files.
        figure.draw_without_rendering()
        figure.set_layout_engine(None)
        for suffix in ("png", "svg"):
            figure.savefig(path.with_suffix(f".{suffix}"), dpi=150)
        plt.close(figure)


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
        2, 4, figsize=(7.2, 4.8), sharex=True, sharey=True, layout="constrained"
    )
    above = select(fits, column=PUBLISHED, method="Newton-MR", draw=0)[0]
    below = select(fits, column=INTENDED, method="Newton-MR", draw=0)[0]
    for place, tol in enumerate((SUCCESS, 1e-8, 1e-6, np.inf)):
        ax = axes[0, place]
        _with_published_index(_at(above, tol), ax)
        title = "starts" if np.isinf(tol) else f"$|g|^2 \\leq$ {tol:.0e}"
        ax.set_title(title, **TITLE)
        ax.set_xlabel("")
        _loss_index(_at(below, tol), axes[1, place])
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
    _make_room(axes[0, 0], 0.12)
    entries = {}
    for ax in axes.flat:
        entries |= _legend_entries(ax)
    _legend(figure, entries, ncols=3)
    for ax, column, letter in zip(axes[:, 0], (PUBLISHED, INTENDED), "ab", strict=True):
        ax.set_ylabel(f"{column.capitalize()}\n\nLoss")
        _letter(ax, letter)
    return figure


def _legend_entries(ax):
    """Replace the legend of a small panel by its numbers; return handles by name."""
    handles, labels = ax.get_legend_handles_labels()
    ax.get_legend().remove()
    known, *counts = [label.removesuffix(" starts") for label in labels]
    ax.text(0.97, 0.04, "\n".join(counts), transform=ax.transAxes, ha="right", **COUNTS)
    names = [known, *(count.partition(":")[0] for count in counts)]
    return dict(zip(names, handles, strict=True))


def _make_room(ax, share=0.35):
    """Leave room for a legend or a number below all points."""
    low, high = ax.get_ylim()
    ax.set_ylim(bottom=low - share * (high - low))


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
    figure = plt.figure(figsize=(7.2, 8.6), layout="constrained")
    above, below = figure.subfigures(2, height_ratios=[1, 1.5])
    histograms = above.subplots(1, 3, width_ratios=[1.2, 1.2, 1])
    columns = (PUBLISHED, INTENDED)
    for ax, column, letter in zip(histograms[:2], columns, "ab", strict=True):
        fit = select(fits, column=column, method="Newton-MR", noise=0.0)[0]
        ParticipationDisplay.from_estimator(fit.found, ax=ax, random_state=0)
        ax.set_title(column, **TITLE)
        _letter(ax, letter)
    histograms[1].set_ylabel("")
    _entropies(fits, histograms[2])
    entries = dict(zip(*histograms[2].get_legend_handles_labels()[::-1], strict=True))
    _legend(above, entries, ncols=3, title="Panel c")
    panels = below.subplots(2, 4, sharex=True)
    entries = {}
    for noise, (top, bottom) in zip(NOISE, panels.T, strict=True):
        fit = select(fits, column=INTENDED, method="Newton-MR", noise=noise)[0]
        _loss_index(fit.found, top)
        entries |= _legend_entries(top)
        top.set_title(f"variance {noise:g}", **TITLE)
        _index_histogram(fit.found, bottom)
    for row, letter in zip(panels, "de", strict=True):
        _letter(row[0], letter)
        for ax in row[1:]:
            ax.set_ylabel("")
    for ax in panels[0]:
        ax.set_xlabel("")
        ax.sharey(panels[0, 0])
    _make_room(panels[0, 0], 0.08)
    for handle, label in zip(*panels[1, 0].get_legend_handles_labels(), strict=True):
        entries[f"share of {label}"] = handle
    _legend(below, entries, ncols=4)
    return figure


def _legend(figure, entries, **options):
    """Draw a legend of handles by name below the panels of a figure."""
    place = {"loc": "outside lower center", **options}
    figure.legend(entries.values(), entries.keys(), **place, **SMALL)


def _entropies(fits, ax):
    """Draw entropies by noise with their intervals."""
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
    ax.set_xlabel("Index / number\nof parameters")
    ax.set_ylabel("Share")


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
        1, 2, figsize=(7.2, 5.0), sharey=True, layout="constrained"
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
