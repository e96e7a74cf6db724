"""Study small nonlinear networks: write a JSON file for each part.

Usage: ``python examples/nonlinear/run.py [--scale small] [--output results] [--parts
known starts checks large study]``. Started again, it goes on after the last row in the
files; remove them to measure anew.
"""

import argparse
import time
from pathlib import Path

import checks
import known
import large
import starts
import study
from tools import saved

PARTS = {part.__name__: part.tasks for part in (known, starts, checks, large, study)}


def main():
    """Compare with SciPy, measure speed, check, and study large and small networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=["small", "full"], default="full")
    parser.add_argument("--output", default="results", type=Path)
    parser.add_argument("--parts", nargs="+", choices=[*PARTS], default=[*PARTS])
    options = parser.parse_args()
    small = options.scale == "small"
    for name in options.parts:
        begin = time.perf_counter()
        path = options.output / f"nonlinear_{'small_' * small}{name}.json"
        saved(PARTS[name](small), path, [study.ENDS])
        print(f"{name}: {time.perf_counter() - begin:.0f} seconds", flush=True)


if __name__ == "__main__":
    main()
