"""MINRES-QLP drops the rows of finished systems: fewer products, the same results."""

import numpy as np
import pytest

from skcrit._backend import take_rows, to_device, to_host
from skcrit.linalg import minres_qlp

from ._systems import apply, singular_systems, spectral


def mixed_systems(rng, n=43):
    """Systems that need from a few to some hundred products, some singular."""
    conditions = 10 ** rng.uniform(0, 5, size=90)
    A = [
        spectral(rng, np.geomspace(1, 1 / c, n) * (-1) ** np.arange(n))
        for c in conditions
    ]
    A = np.concatenate([*A, singular_systems(rng, n, n // 2 - 1, 30, 10)[0]])
    b = rng.normal(size=(100, n))
    order = rng.permutation(100)
    b[7] = 0
    return A[order], b


class Counted:
    """Products with some matrices; counts the rows that are multiplied."""

    def __init__(self, A):
        self.A, self.n_rows = A, 0

    def matvec(self, v):
        self.n_rows += v.shape[0]
        return (self.A @ v[..., None])[..., 0]

    def take(self, rows):
        assert isinstance(rows, np.ndarray)
        A = take_rows(self.A, rows)

        def matvec(v):
            assert v.shape[0] == len(rows)
            self.n_rows += v.shape[0]
            return (A @ v[..., None])[..., 0]

        return matvec


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("rtol", [1e-1, 1e-6, 1e-14])
def test_rows_dropped_change_nothing(rng, rtol, refine, backend):
    # The standard's own library checks every operation in Python.
    A, b = mixed_systems(rng, 15 if backend == "array_api_strict" else 43)
    shift = np.where(np.arange(100) % 9 == 0, 0.1, 0.0)
    counted = Counted(to_device(A, backend))
    b, shift = to_device(b, backend), to_device(shift, backend)
    options = {"rtol": rtol, "refine": refine, "shift": shift}
    kept = minres_qlp(counted.matvec, b, **options)
    n_kept, counted.n_rows = counted.n_rows, 0
    dropped = minres_qlp(counted.matvec, b, take=counted.take, **options)
    for name, value in vars(kept).items():
        other = to_host(getattr(dropped, name))
        np.testing.assert_array_equal(to_host(value), other, err_msg=name)
    assert counted.n_rows < n_kept


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("options", [{"rtol": 1e-8}, {"rtol": 0.1, "max_iter": 50}])
def test_what_is_reported_was_computed(rng, options, refine):
    """The target: at most 1.15 products computed for one that is reported."""
    A, b = mixed_systems(rng)
    counted = Counted(A)
    result = minres_qlp(counted.matvec, b, take=counted.take, refine=refine, **options)
    n_reported = np.sum(result.n_matvec)
    assert n_reported <= counted.n_rows <= 1.15 * n_reported
    # One system at a time there is nothing to drop.
    for i in range(0, 100, 7):
        alone = Counted(A[i : i + 1])
        n = minres_qlp(alone.matvec, b[i : i + 1], refine=refine, **options).n_matvec
        assert n[0] == result.n_matvec[i]
        assert alone.n_rows <= n[0] + 2 * (b[i] == 0).all()


def test_nothing_is_taken_where_all_end_together(rng):
    A, b = np.stack([np.diag(np.arange(1.0, 9.0))] * 5), rng.normal(size=(5, 8))

    def take(rows):
        raise AssertionError

    result = minres_qlp(lambda v: apply(A, v), b, take=take, max_iter=3)
    assert np.all(result.n_matvec == 5)
