"""Study small nonlinear networks: write a JSON file for each part.

Usage: ``python examples/nonlinear/run.py [--scale small] [--output results] [--parts
known checks large study]``. Started again, it goes on after the last row in the files;
remove them to measure anew.
"""

import argparse
import time
from pathlib import Path

import checks
import known
import large
import study
from tools import saved

PARTS = {part.__name__: part.tasks for part in (known, checks, large, study)}


def main():
    """Run the comparison with SciPy, the checks, large networks and the study."""
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
