"""Find every critical set of the paper's network, and count what that costs.

Usage: ``python examples/landscape/run.py [--seeds 5] [--output results]``; smaller or
larger networks with ``--features``, ``--hidden``, ``--searches`` and ``--round-size``.
"""

import argparse
import os
import resource
import shlex
import sys
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skcrit import (
    GaussianStarts,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    SaddleDynamicsFinder,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.inspection import LandscapeGraphDisplay, LossIndexDisplay
from skcrit.metrics import (
    good_turing_coverage,
    probe_coverage,
    probe_coverage_interval,
)


def explore(features, hidden, searches, round_size, seed):
    """Explore one draw of data.

    Parameters
    ----------
    features, hidden : int
        Widths of the network; the eigenvalues are features, ..., 1.
    searches : int
        Budget of local searches.
    round_size : int
        Searches between two updates of what is known.
    seed : int
        Seed of data and search.

    Returns
    -------
    explorer : LandscapeExplorer
        Fitted explorer.
    row : dict
        What it found, judged by the analytical critical sets.
    """
    X = make_gaussian_spectrum(
        10_000, eigenvalues=np.arange(features, 0, -1.0), random_state=seed
    )
    loss = LinearAutoencoderLoss(hidden_layer_sizes=(hidden,)).fit(X)
    explorer = LandscapeExplorer(
        max_searches=searches,
        round_size=round_size,
        n_jobs=2,
        random_state=seed,
        verbose=1,
    )
    begin = time.perf_counter()
    explorer.fit(loss)
    seconds = time.perf_counter() - begin
    row = {"seed": seed, **_judge(explorer), "seconds": round(seconds, 1)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row["sets per second"] = round(explorer.n_critical_sets_ / seconds, 1)
    row["peak memory, MB"] = round(peak / 1e3)
    row["coverage by a probe"] = _probed(explorer, seed)
    return explorer, row


def _judge(explorer):
    """Compare what was found with the truth, which the search did not see."""
    spectrum = explorer.loss_.analytical_spectrum()
    match = spectrum.match(explorer.critical_points_)
    names = set(match.set[match.identified])
    searches, found = explorer.discovery_.T
    complete = np.flatnonzero(found >= spectrum.n_sets)
    false = explorer.n_critical_sets_ - len(names)
    right = np.sum(match.morse_index == explorer.morse_indices_)
    return {
        "sets": spectrum.n_sets,
        "found": len(names),
        "false": false,
        "index right": int(right),
        "converged": f"{explorer.converged_.mean():.4f}",
        "searches": explorer.n_searches_,
        "complete after": int(searches[complete[0]]) if len(complete) else "-",
        "coverage": f"{len(names) / spectrum.n_sets:.4f}",
        "Good-Turing": f"{good_turing_coverage(explorer.counts_):.4f}",
    }


def _probed(explorer, seed, n_starts=500):
    """Estimate the coverage without the truth, by an independent, even sample."""
    probe = SaddleDynamicsFinder(
        init=GaussianStarts(0.05), n_starts=n_starts, n_jobs=2, random_state=seed + 1
    )
    probe.fit(explorer.loss_)
    low, high = probe_coverage_interval(explorer, probe)
    return f"{probe_coverage(explorer, probe):.3f} [{low:.3f}, {high:.3f}]"


def costs(explorer):
    """Count how many searches a share of the sets takes.

    Parameters
    ----------
    explorer : LandscapeExplorer
        Fitted explorer.

    Returns
    -------
    table : DataFrame
        A row per share of the sets.
    """
    n_sets = explorer.loss_.analytical_spectrum().n_sets
    searches, found = explorer.discovery_.T
    rows = []
    for part in (0.1, 0.25, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0):
        reached = np.flatnonzero(found >= part * n_sets)
        if len(reached):
            spent = int(searches[reached[0]])
            rows.append({
                "share of the sets": f"{part:.0%}",
                "searches": spent,
                "searches per set": f"{spent / found[reached[0]]:.2f}",
            })
    return pd.DataFrame(rows)


def draw(explorer):
    """Draw the landscape as a graph, and the sets found as the search goes on.

    Parameters
    ----------
    explorer : LandscapeExplorer
        Fitted explorer.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure.
    """
    figure, axes = plt.subplots(1, 3, figsize=(7.4, 3.6), layout="constrained")
    LandscapeGraphDisplay.from_estimator(explorer, ax=axes[0])
    axes[0].set_title("")  # the caption says it
    LossIndexDisplay.from_estimator(explorer, ax=axes[1])
    searches, found = explorer.discovery_.T
    n_sets = explorer.loss_.analytical_spectrum().n_sets
    axes[2].plot(searches, found, color="#0072B2", label="this search")
    x = np.linspace(0, searches[-1], 200)
    uniform = n_sets * (1 - np.exp(-x / n_sets))
    axes[2].plot(x, uniform, "--", color="0.5", label="uniform sampler")
    axes[2].axhline(
        n_sets, color="black", linestyle=":", linewidth=1, label=f"all {n_sets:,} sets"
    )
    axes[2].set_xlabel("Local searches")
    axes[2].set_ylabel("Critical sets found")
    # Above the axes: inside, a legend would cover points or curves.
    for ax in axes[1:]:
        place = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0)}
        ax.legend(fontsize="small", handlelength=1.2, **place)
    return figure


def main():
    """Explore all seeds, and write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--hidden", type=int, default=4)
    parser.add_argument("--searches", type=int, default=10_000)
    parser.add_argument("--round-size", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("results"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    size = (options.features, options.hidden, options.searches, options.round_size)
    fits = [explore(*size, seed) for seed in range(options.seeds)]
    explorer = fits[0][0]
    figure = draw(explorer)
    for suffix in ("png", "svg"):
        figure.savefig(options.output / f"landscape.{suffix}", dpi=150)
    table = pd.DataFrame([row for _, row in fits])
    lines = [
        f"# The whole landscape of {options.features}-{options.hidden}-"
        f"{options.features}",
        "",
        f"Made by `{shlex.join(['python', *sys.argv])}` on {os.cpu_count()} cores. The "
        "search sees values, gradients and Hessian products; only this table sees the "
        "truth.",
        "",
        *_markdown(table),
        "",
        "Cost of the first seed as it grows:",
        "",
        *_markdown(costs(explorer)),
        "",
        "![](landscape.png)",
        "",
    ]
    report = options.output / "landscape.md"
    report.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


def _markdown(table):
    """Write a table in Markdown."""
    rows = [table.columns, ["---"] * len(table.columns), *table.astype(str).to_numpy()]
    return ["| " + " | ".join(row) + " |" for row in rows]


# Workers import this file again where processes are spawned.
if __name__ == "__main__":
    main()
