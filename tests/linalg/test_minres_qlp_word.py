"""MINRES-QLP means what its status and its norms say.

Families of random systems, judged by residuals in extended precision and by dense
eigenvalues: definite, indefinite, with few distinct eigenvalues, graded down to 1e-14
of the largest, shifted, singular, with right-hand sides in the range and outside.
"""

from functools import cache

import numpy as np
import pytest

from skcrit.linalg import LinearStatus, _minres_qlp

from ._systems import apply, solve

SIZES = (1, 2, 3, 4, 6, 9, 14, 25, 60)
KINDS = ("definite", "indefinite", "graded", "clustered", "shifted", "range", "kernel")
RTOLS = (1e-2, 1e-5, 1e-8, 1e-10, 1e-13, 1e-15)
PER_KIND = 4
S = LinearStatus


def spectrum(rng, kind, n):
    """Draw eigenvalues of a kind, of any scale; some are zero in a singular matrix."""
    d = np.geomspace(1, 10.0 ** -rng.uniform(0, 6), n)
    if kind == "graded":
        d = d ** rng.uniform(1, 14 / 6)
    if kind == "clustered":
        d = rng.choice([1.0, 2.0, 10.0 ** -rng.uniform(0, 14)], n)
    if kind in {"range", "kernel"}:
        d = np.sqrt(d) * (np.arange(n) < rng.integers(0, n + 1))
    if kind != "definite":
        d = d * rng.choice([-1, 1], n)
    return d * 10.0 ** rng.uniform(-3, 3)


@cache
def systems(n, dtype):
    """Make systems of all kinds: names, matrices, right-hand sides, shifts."""
    rng = np.random.default_rng(n)
    kinds, matrices, vectors, shifts = [], [], [], []
    for kind in KINDS * PER_KIND:
        Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
        d = spectrum(rng, kind, n)
        A = ((Q * d) @ Q.T).astype(dtype)
        A = (A + A.T) / 2
        b = rng.normal(size=n).astype(dtype)
        if kind == "range":
            b = A @ b
        size = np.max(np.abs(d))
        shift = rng.uniform(-1.5, 1.5) * size if kind == "shifted" else 0.0
        for column, value in zip(
            (kinds, matrices, vectors, shifts), (kind, A, b, shift), strict=True
        ):
            column.append(value)
    return kinds, *map(np.stack, (matrices, vectors)), np.array(shifts, dtype=dtype)


class Judged:
    """A result, and what extended precision says about its x."""

    def __init__(self, n, dtype, rtol, **options):
        self.kinds, A, b, shift = systems(n, dtype)
        self.eps = float(np.finfo(dtype).eps)
        self.result = solve(A, b, dtype=dtype, shift=shift, rtol=rtol, **options)
        self.status = self.result.status
        self.matrix = A.astype(np.longdouble)
        self.matrix = self.matrix - shift[:, None, None] * np.eye(n)
        self.eigenvalues = np.abs(np.linalg.eigvalsh(self.matrix.astype(float)))
        self.norm = self.eigenvalues.max(axis=-1)
        x = self.result.x.astype(np.longdouble)
        r = b - apply(self.matrix, x)
        self.b_norm, self.x_norm, self.r_norm, self.image_norm = (
            np.linalg.norm(v.astype(float), axis=-1)
            for v in (b, x, r, apply(self.matrix, r))
        )
        # In the working precision, as the solver has it.
        self.goal = max(rtol, self.eps) * np.linalg.norm(b, axis=-1)
        # What a residual computed in the working precision differs by.
        terms = np.sqrt(n) + 2
        size = (self.norm + np.abs(shift)) * self.x_norm + self.b_norm
        self.rounding = terms * self.eps * size

    def regular(self, level):
        """All eigenvalues are above a level, relative to the largest."""
        return self.eigenvalues.min(axis=-1) > level * self.norm


@pytest.fixture(scope="module", params=["float64", "float32"])
def dtype(request):
    return request.param


@pytest.fixture(scope="module", params=RTOLS)
def rtol(request):
    return request.param


@pytest.fixture(scope="module", params=[True, False], ids=["refined", "direct"])
def refine(request):
    return request.param


@pytest.fixture(scope="module")
def judged(dtype, rtol, refine):
    """Results of all systems for some options."""
    return [Judged(n, dtype, rtol, refine=refine) for n in SIZES]


def test_solved_means_that_the_residual_is_within_tolerance(judged):
    for j in judged:
        solved = j.status == S.SOLVED
        np.testing.assert_array_equal(j.result.residual_norm <= j.goal, solved)
        assert np.all(j.r_norm[solved] <= (j.goal + j.rounding)[solved])
        assert np.all(j.r_norm[~solved] > (j.goal - j.rounding)[~solved])


def test_norms_are_those_of_x(judged):
    for j in judged:
        result = j.result
        np.testing.assert_allclose(result.x_norm, j.x_norm, rtol=20 * j.eps)
        error = np.abs(result.residual_norm - j.r_norm)
        assert np.all(error <= j.rounding)
        error = np.abs(result.matrix_residual_norm - j.image_norm)
        assert np.all(error <= 2 * j.norm * j.rounding)


def test_inconsistent_means_a_least_squares_solution(judged, refine):
    for j in judged:
        found = j.status == S.INCONSISTENT
        tol = max(1e-10, 100 * j.eps) if refine else j.eps ** (1 / 3)
        bound = tol * j.norm * j.r_norm + j.norm * j.rounding
        assert np.all(j.image_norm[found] <= bound[found])
        # So no regular system is inconsistent, as |A r| >= |r| min |eigenvalue|.
        assert not np.any(found & j.regular(tol))


def test_no_solution_is_worse_than_zero(judged):
    for j in judged:
        assert np.all(j.r_norm <= 1.001 * j.b_norm + j.rounding)


def test_well_conditioned_systems_are_solved(judged, dtype, rtol):
    """The verdicts are not bought by ending early."""
    # Rounding may stop what it cannot improve any more, and nothing else may.
    stopped = {S.STAGNATED} if rtol < 50 * np.finfo(dtype).eps else set()
    blurred = {S.STAGNATED} if dtype == "float32" else set()
    for j in judged:
        easy = j.regular(1e-3 if dtype == "float64" else 1e-1)
        assert set(j.status[easy]) <= {S.SOLVED} | stopped
        kernel = np.array([k == "kernel" for k in j.kinds])
        singular = kernel & (j.eigenvalues.min(axis=-1) < 1e-3 * j.norm)
        assert set(j.status[singular]) <= {S.INCONSISTENT} | blurred
    assert np.any(easy) and np.any(singular)


def test_stagnated_means_that_rounding_decides(judged):
    """Ill-conditioned systems only, or tolerances of the order of the precision."""
    for j in judged:
        stagnated = j.status == S.STAGNATED
        condition = j.norm / np.maximum(j.eigenvalues.min(axis=-1), 1e-300)
        reach = 100 * j.eps * condition * j.b_norm
        assert np.all((reach >= j.goal)[stagnated])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_restarts_solve_what_the_recurrences_missed(dtype, monkeypatch):
    results, names = [], ("status", "r_norm", "rounding")
    for _ in range(2):
        found = [Judged(n, dtype, rtol) for n in (4, 14, 60) for rtol in (1e-10, 1e-15)]
        results.append([np.concatenate([getattr(j, a) for j in found]) for a in names])
        monkeypatch.setattr(_minres_qlp, "_restart", lambda *args: None)
    (status, r_norm, rounding), (status_before, before, _) = results
    assert np.sum(status == S.SOLVED) > np.sum(status_before == S.SOLVED)
    assert np.all(status[status_before == S.SOLVED] == S.SOLVED)
    assert np.all(r_norm <= before + rounding)
