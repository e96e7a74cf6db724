"""What the hostile suite leaves behind, its counts; and fits that it damages."""

import shutil

import pytest

from .. import _tally
from ._faulty import fit


def pytest_sessionfinish():
    """Leave the counts where they are asked for."""
    _tally.save()


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What an undisturbed fit gives."""
    return fit(tmp_path_factory.mktemp("undisturbed") / "log", None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Folder with log and cache of an undisturbed fit, and a copy of it."""
    base = tmp_path_factory.mktemp("whole")
    folder, copy = base / "used", base / "copy"
    folder.mkdir()
    fit(folder / "log", folder / "cache")
    shutil.copytree(folder, copy)
    return folder, copy


@pytest.fixture
def full(whole):
    """Log and cache of a fit that has ended, which this test may damage."""
    folder, copy = whole
    shutil.rmtree(folder)  # where the log lies is part of the key of a batch
    shutil.copytree(copy, folder)
    return folder / "log", folder / "cache"
