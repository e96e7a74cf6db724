"""A hundred thousand starts in a loop of fits leave nothing behind."""

import gc
import os
import tempfile
import warnings
from pathlib import Path

import pytest

from skcrit import GradNormFinder, LinearAutoencoderLoss, NotConvergedWarning

from .. import _tally
from ._faulty import X

N_FITS, N_STARTS = _tally.size((6, 50), (400, 250))


def resident():
    """Return the memory of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def handles():
    """Count open files of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
@pytest.mark.parametrize("kept", [False, True], ids=["plain", "memory"])
def test_nothing_is_left_behind(kept, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "temporary").mkdir()
    loss = LinearAutoencoderLoss((2,)).fit(X)
    memory = str(tmp_path / "cache") if kept else None
    finder = GradNormFinder(
        minimizer="lm", n_starts=N_STARTS, init="gaussian", memory=memory, max_iter=8
    )
    n_fits = N_FITS // 10 + 4 if kept else N_FITS
    first = {}
    for i in range(n_fits):
        # The same few fits from the cache, always new ones without it.
        seed = i % 4 if kept else i
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotConvergedWarning)
            finder.set_params(random_state=seed).fit(loss)
        _tally.count("start", "long run", N_STARTS)
        if i == max(n_fits // 4, 2):
            gc.collect()
            first = {"memory": resident(), "handles": handles()}
    gc.collect()
    # The allocator keeps some pages; 400 fits of 1 MB each would be seen.
    assert resident() - first["memory"] < 24 * 2**20
    assert handles() <= first["handles"]
    assert list((tmp_path / "temporary").iterdir()) == []
