"""What a report of a bug says of the installation."""

from importlib.metadata import version

import skcrit
from skcrit.utils import _versions


def test_versions(capsys, monkeypatch):
    monkeypatch.setattr(_versions, "_PACKAGES", ("numpy", "no_package"))
    skcrit.show_versions()
    shown = capsys.readouterr().out
    for title in ("System:\n", "\nPackages:\n", "\nThread pools:\n"):
        assert title in shown
    assert f" skcrit: {skcrit.__version__}\n" in shown
    assert f" numpy: {version('numpy')}\n" in shown
    assert " no_package: None\n" in shown
