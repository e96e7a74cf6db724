"""Run the whole study and write its figures and the report.

Usage: ``python examples/paper/run.py [--scale small] [--output results] [--seed 0]``.
"""

import argparse
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import experiments
import figures
from joblib import Parallel, delayed
from report import write_report
from sections import performance_tables
from summaries import pool, select


@dataclass
class Study:
    """All fits of the study."""

    performance: list
    bias: list


def draw(study, folder, n_jobs):
    """Draw all figures, as PNG and SVG.

    Parameters
    ----------
    study : Study
        All fits.
    folder : Path
        Where to write them.
    n_jobs : int
        Number of processes.
    """
    # Fits without histories are small: their figures are drawn by another process.
    apart = {
        "figure3": (figures.figure3, select(study.bias, by="height")),
        "figure4": (figures.figure3, select(study.bias, by="iteration")),
    }
    here = {
        "figure1": (figures.figure1, study.performance),
        "figure2": (figures.figure2, study.performance),
        "figure_costs": (figures.figure_costs, study.performance),
    }
    drawn = Parallel(n_jobs, return_as="generator")(
        delayed(figures.save)(folder / name, *what) for name, what in apart.items()
    )
    for name, what in here.items():
        figures.save(folder / name, *what)
    list(drawn)


def conclude(study, scale):
    """Print what came of the paper's methods, and how much it proves.

    Parameters
    ----------
    study : Study
        All fits.
    scale : str
        Name of the scale.
    """
    _, intended = performance_tables(study.performance)
    print("\nAs intended, the paper's methods:\n", *intended, sep="\n")
    if scale != "full":
        print(
            f"\nScale {scale!r}: few starts and few iterations. It shows that the "
            "programs run; its numbers prove nothing. Run the full scale to compare "
            "with the paper.\n"
        )


def main():
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", choices=experiments.SCALES, default="full")
    parser.add_argument("--output", type=Path, default=Path("results"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begin = time.perf_counter()
    options.output.mkdir(parents=True, exist_ok=True)
    scale = experiments.SCALES[options.scale]
    performance, by_height, by_iteration = experiments.study(scale, options.seed)
    study = Study(performance, by_height + by_iteration)
    pool([*study.performance, *study.bias]).to_csv(
        options.output / "runs.csv", index=False
    )
    draw(study, options.output, scale.n_jobs)
    report = options.output / "report.md"
    command = shlex.join(["python", *sys.argv])
    write_report(report, study, command, time.perf_counter() - begin)
    conclude(study, options.scale)
    print(f"Wrote {report.resolve()}, the figures and all runs beside it.")


# Workers import this file again where processes are spawned.
if __name__ == "__main__":
    main()
