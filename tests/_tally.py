"""How large the suites of robustness are, and what they counted.

The environment variable SKCRIT_TESTS_PROFILE chooses between "fast", a small part that
runs with every test, and "long", everything. With SKCRIT_TESTS_TALLY, the name of a
folder, every process that ran tests leaves what it counted there, for
benchmarks/robustness.py.
"""

import json
import os
from collections import Counter
from pathlib import Path

__all__ = ["LONG", "count", "save", "size"]

LONG = os.environ.get("SKCRIT_TESTS_PROFILE", "fast") == "long"

_counts = Counter()


def size(fast, long):
    """Choose a number by the profile."""
    return long if LONG else fast


def count(kind, name, n=1):
    """Count something that a test has done, or has seen."""
    _counts[f"{kind}/{name}"] += int(n)


def save():
    """Leave the counts of this process; called at the end of a session."""
    folder = os.environ.get("SKCRIT_TESTS_TALLY")
    if folder:
        path = Path(folder) / f"{os.getpid()}.json"
        path.write_text(json.dumps(_counts))
