"""Run the experiments of the paper and write figures and report.

Usage: ``python examples/paper/run.py [--scale small] [--output results] [--seed 0]``.
"""

import argparse
import shlex
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import newton_mr
import pandas as pd
from report import write_report

from skcrit.inspection import ConvergenceDisplay, LossIndexDisplay


def draw_figure(fits):
    """Draw the first draw of every variant: convergence above, loss and index below.

    Parameters
    ----------
    fits : list of Fit
        What ran.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure, a column per variant.
    """
    columns = [fit for fit in fits if fit.draw == 0]
    figure, axes = plt.subplots(
        2, len(columns), figsize=(7.2, 5.8), sharey="row", layout="constrained"
    )
    for (top, bottom), fit in zip(axes.T, columns, strict=True):
        ConvergenceDisplay.from_estimator(fit.finder, ax=top)
        LossIndexDisplay.from_estimator(fit.finder, ax=bottom)
        top.set_title(fit.variant, fontsize="medium")
    figure.get_layout_engine().set(wspace=0.06, hspace=0.06)
    longest = max(top.get_xlim()[1] for top in axes[0])
    for row, letter in zip(axes, "ab", strict=True):
        row[0].set_title(letter, loc="left", fontweight="bold")
        for ax in row[1:]:
            ax.set_ylabel("")
    for top in axes[0]:
        top.set_xlim(right=longest)
    return figure


def main():
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", choices=newton_mr.SCALES, default="full")
    parser.add_argument("--output", type=Path, default=Path("results"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    fits = newton_mr.run(newton_mr.SCALES[options.scale], options.seed)
    figure = draw_figure(fits)
    for suffix in ("png", "svg"):
        figure.savefig(options.output / f"figure1_newton_mr.{suffix}", dpi=200)
    runs = pd.concat([fit.runs for fit in fits], ignore_index=True)
    runs.to_csv(options.output / "newton_mr_runs.csv", index=False)
    command = shlex.join(["python", *sys.argv])
    report = options.output / "report.md"
    write_report(report, fits, command, "figure1_newton_mr.png")
    print(f"Wrote {report.resolve()}, the figure and the runs beside it.")


# Workers import this file again where processes are spawned.
if __name__ == "__main__":
    main()
