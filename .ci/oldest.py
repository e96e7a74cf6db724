"""Print the oldest supported version of every dependency, as pip installs it."""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Extras that the tests use; the tools that run the tests are the newest.
EXTRAS = ("plot", "dask")


def oldest(requirement):
    """Turn "name>=version" into "name==version"."""
    name, separator, version = requirement.partition(">=")
    if not separator or "," in version:
        sys.exit(f"{requirement!r} in pyproject.toml must read name>=version.")
    # pip takes no extras in constraints.
    return f"{name.partition('[')[0]}=={version}"


project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
requirements = list(project["dependencies"])
for extra in EXTRAS:
    requirements += project["optional-dependencies"][extra]
print(*map(oldest, requirements), sep="\n")
