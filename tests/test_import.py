"""What importing skcrit costs, and what it gives."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import skcrit

HEAVY = (
    "cupy",
    "torch",
    "matplotlib",
    "dask",
    "pandas",
    "tqdm",
    "array_api_strict",
)


def run(script):
    """Run Python in a fresh process and return the words it prints."""
    command = [sys.executable, "-W", "error", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


DEPENDENCIES = "joblib, numpy, scipy.sparse.linalg, sklearn.base, sklearn.utils"


def test_import_loads_no_optional_library():
    # Some versions of scikit-learn import pandas where it is installed.
    shown = run(
        f"import sys, {DEPENDENCIES}; print(*sys.modules);"
        "import skcrit, skcrit.inspection, skcrit.utils.testing; print(*sys.modules)"
    )
    theirs, loaded = (
        {name.split(".")[0] for name in line.split()} for line in shown.splitlines()
    )
    assert "skcrit" in loaded
    assert not (loaded - theirs) & set(HEAVY)


BLOCK = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Blocker())
"""


def test_import_needs_no_optional_library_and_losses_of_modules_do_when_fitted():
    script = f"""{BLOCK}
from skcrit import TorchLoss
loss = TorchLoss(module=None, criterion=len, alpha=0.5)
print(loss)
assert loss.set_params(alpha=1.0).get_params()["alpha"] == 1.0
try:
    loss.fit([[1.0]])
except ImportError as error:
    print(error)
"""
    shown, message = run(script).splitlines()
    assert shown.startswith("TorchLoss(alpha=0.5, criterion=")
    assert message == "TorchLoss needs PyTorch: install skcrit[torch]."


def test_star_import_gives_the_public_names():
    names = {}
    exec("from skcrit import *", names)
    assert set(skcrit.__all__) <= set(names)


@pytest.mark.parametrize("name", skcrit.__all__)
def test_public_names_exist(name):
    thing = getattr(skcrit, name)
    if name == "__version__":
        assert thing == version("skcrit")
    else:
        assert getattr(sys.modules[thing.__module__], name) is thing


def test_public_names_are_sorted_and_each_once():
    assert list(skcrit.__all__) == sorted(set(skcrit.__all__))


def test_only_the_public_names_are_public():
    # Submodules are attributes of the package as soon as they are imported.
    ours = {n for n in vars(skcrit) if not n.startswith("_")}
    modules = {n for n in ours if f"skcrit.{n}" in sys.modules}
    assert ours - modules <= set(skcrit.__all__)
