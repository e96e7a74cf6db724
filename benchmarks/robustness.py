"""Count what the suites of robustness try, and write the table of doc/robustness.md.

Runs tests/properties and tests/hostile in full size (SKCRIT_TESTS_PROFILE=long), in as
many processes as are asked for, and sums what every process counted::

    python benchmarks/robustness.py --workers 2 --output doc/robustness.md

The rest of the page is kept: only what stands between the two marks is written anew.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import scipy
import sklearn

import skcrit
from skcrit.solvers import Status

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- begin of the table -->", "<!-- end of the table -->"


def run(profile, workers, seed):
    """Run the suites; return what they counted, and the summary of pytest.

    Parameters
    ----------
    profile : {"fast", "long"}
        Size of the suites.
    workers : int
        Number of processes.
    seed : int
        Seed of hypothesis.

    Returns
    -------
    counts : Counter
        Counts by "kind/name".
    summary : str
        Last line of pytest.
    failed : bool
        Whether a test failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "SKCRIT_TESTS_PROFILE": profile,
            "SKCRIT_TESTS_TALLY": folder,
            "OPENBLAS_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["tests/properties", "tests/hostile", f"--hypothesis-seed={seed}"]
        if workers > 1:
            command += ["-n", str(workers)]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True
        )
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
        counts = Counter()
        for path in Path(folder).glob("*.json"):
            counts.update(json.loads(path.read_text()))
    lines = done.stdout.strip().splitlines() or ["nothing ran"]
    return counts, lines[-1].strip("= "), done.returncode != 0


def _kind(counts, kind):
    """Select the counts of one kind."""
    prefix = f"{kind}/"
    chosen = {k[len(prefix) :]: n for k, n in counts.items() if k.startswith(prefix)}
    return dict(sorted(chosen.items(), key=lambda item: (-item[1], item[0])))


def table(counts, summary, profile, seed):
    """Write the table in Markdown.

    Parameters
    ----------
    counts : Counter
        What was counted.
    summary : str
        Last line of pytest.
    profile : str
        Size of the suites.
    seed : int
        Seed of hypothesis.

    Returns
    -------
    text : str
        Markdown.
    """
    inputs, outcomes = _kind(counts, "input"), _kind(counts, "outcome")
    starts, statuses = _kind(counts, "start"), _kind(counts, "status")
    faults = _kind(counts, "fault")
    accepted = outcomes.pop("accepted", 0)
    searches = sum(n for name, n in starts.items() if name != "long run")
    long_run = starts.get("long run", 0)
    rows = [("**Inputs tried**", sum(inputs.values()))]
    rows += [(f"of these: {name}", n) for name, n in inputs.items()]
    rows += [("**Hostile values refused**", sum(outcomes.values()))]
    rows += [(f"of these: {name}", n) for name, n in outcomes.items()]
    rows += [("Hostile values taken, as they may be", accepted)]
    rows += [("**Starts tried for false convergence**", searches)]
    rows += [(f"ended {s.name}", statuses.get(s.name, 0)) for s in Status]
    rows += [("**False critical points**", counts["false/critical points"])]
    rows += [("**Starts of the long run**", long_run)]
    rows += [("**Faults injected**", faults.get("injected", 0))]
    rows += [("of these survived", faults.get("ended", 0))]
    rows += [("interrupts at random moments", faults.get("interrupts", 0))]
    versions = f"skcrit {skcrit.__version__}, Python {platform.python_version()}"
    versions += f", NumPy {np.__version__}, SciPy {scipy.__version__}"
    versions += f", scikit-learn {sklearn.__version__}"
    lines = ["| What | Number |", "|---|---:|"]
    lines += [f"| {name} | {n:,} |" for name, n in rows]
    lines += ["", f"Profile {profile}, seed {seed}; {versions}. pytest: {summary}."]
    return "\n".join(lines)


def main():
    """Run the suites and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=("fast", "long"), default="long")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=ROOT / "doc" / "robustness.md")
    arguments = parser.parse_args()
    counts, summary, failed = run(arguments.profile, arguments.workers, arguments.seed)
    text = table(counts, summary, arguments.profile, arguments.seed)
    page = arguments.output.read_text()
    head, rest = page.split(BEGIN)
    tail = rest.split(END)[1]
    arguments.output.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}")
    print(text)
    # A table with failures says so in its last line; the command fails too.
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
