"""Study small nonlinear networks: write ``nonlinear.json``.

Usage: ``python examples/nonlinear/run.py [--scale small] [--output results]``.
"""

import argparse
import json
import time
from pathlib import Path

import checks
import known
import study


def main():
    """Run the study, the checks and the comparison with SciPy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=["small", "full"], default="full")
    parser.add_argument("--output", default="results", type=Path)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    small, results = options.scale == "small", {}
    for part in (study, checks, known):
        begin = time.perf_counter()
        results[part.__name__] = part.main(small)
        print(f"{part.__name__}: {time.perf_counter() - begin:.0f} seconds", flush=True)
        # After each part, so that an interrupted run leaves something.
        text = json.dumps(results, indent=1)
        (options.output / "nonlinear.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
