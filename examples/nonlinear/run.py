"""Study small nonlinear networks: write a JSON file for each part.

Usage: ``python examples/nonlinear/run.py [--scale small] [--output results] [--parts
study checks known]``.
"""

import argparse
import time
from pathlib import Path

import checks
import known
import study
from tools import saved

PARTS = {part.__name__: part.main for part in (study, checks, known)}


def main():
    """Run the study, the checks and the comparison with SciPy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=["small", "full"], default="full")
    parser.add_argument("--output", default="results", type=Path)
    parser.add_argument("--parts", nargs="+", choices=[*PARTS], default=[*PARTS])
    options = parser.parse_args()
    for name in options.parts:
        begin = time.perf_counter()
        rows = PARTS[name](options.scale == "small")
        saved(rows, options.output / f"nonlinear_{name}.json", [study.ENDS])
        print(f"{name}: {time.perf_counter() - begin:.0f} seconds", flush=True)


if __name__ == "__main__":
    main()
