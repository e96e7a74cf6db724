"""MINRES-QLP against dense linear algebra, SciPy's solvers and itself."""

import numpy as np
import pytest
from scipy.sparse.linalg import lsmr, minres

from skcrit.linalg import LinearStatus

from ._systems import (
    apply,
    named_systems,
    pinv_solution,
    relative_error,
    singular_systems,
    solve,
    spectral,
)

NAMED = named_systems()


@pytest.mark.parametrize("system", NAMED, ids=[s[0] for s in NAMED])
def test_named_systems(system, backend):
    _, A, b, shift, status, n_iter = system
    result = solve(A[None], b[None], backend, shift=shift)
    expected = pinv_solution(A, b, shift)
    scale = max(np.linalg.norm(expected), np.linalg.norm(b))
    np.testing.assert_allclose(result.x[0], expected, atol=1e-8 * scale)
    assert LinearStatus(int(result.status[0])) is status
    if n_iter is not None:
        assert result.n_iter[0] == n_iter
    # what is reported is what dense linear algebra says
    matrix = A - shift * np.eye(len(b))
    residual = b - matrix @ result.x[0]
    np.testing.assert_allclose(result.residual[0], residual, atol=1e-12 * scale)
    np.testing.assert_allclose(
        result.residual_norm[0], np.linalg.norm(residual), atol=1e-12 * scale
    )
    np.testing.assert_allclose(result.x_norm[0], np.linalg.norm(result.x[0]))
    norm = np.linalg.norm(matrix, 2)
    assert result.matrix_norm[0] <= norm * (1 + 1e-10)
    if status is LinearStatus.SOLVED:
        assert result.residual_norm[0] <= 1.1e-10 * np.linalg.norm(b)
    if status is LinearStatus.INCONSISTENT:
        image = np.linalg.norm(matrix @ residual)
        assert image <= 1e-10 * norm * np.linalg.norm(residual)


def test_named_systems_in_one_batch(backend):
    """All kinds together: each ends by itself and gives what it gives alone."""
    A, b, shift = (np.array([s[i] for s in NAMED]) for i in (1, 2, 3))
    together = solve(A, b, backend, shift=shift)
    assert [LinearStatus(int(s)) for s in together.status] == [s[4] for s in NAMED]
    for i in range(len(NAMED)):
        alone = solve(A[i : i + 1], b[i : i + 1], backend, shift=shift[i : i + 1])
        for name, value in vars(together).items():
            label, other = f"{NAMED[i][0]}: {name}", getattr(alone, name)[0]
            if backend == "cupy":  # cuBLAS chooses its kernel by the batch size
                np.testing.assert_allclose(value[i], other, atol=1e-9, err_msg=label)
            else:
                np.testing.assert_array_equal(value[i], other, err_msg=label)


@pytest.mark.parametrize("n", [1, 7, 128, 200])
def test_batch_independence_bitwise(rng, n):
    A = np.concatenate([
        spectral(rng, rng.normal(size=n), 4),
        singular_systems(rng, n, n // 2, 10, 3)[0],
    ])
    b = rng.normal(size=(7, n))
    together = solve(A, b, max_iter=40)
    for i in range(7):
        alone = solve(A[i : i + 1], b[i : i + 1], max_iter=40)
        assert np.array_equal(together.x[i], alone.x[0])
        assert together.n_matvec[i] == alone.n_matvec[0]
    half = solve(A[3:], b[3:], max_iter=40)
    assert np.array_equal(together.x[3:], half.x)


@pytest.mark.parametrize("condition", [10, 1e3])
@pytest.mark.parametrize(
    ("n", "rank"), [(5, 2), (5, 4), (30, 15), (80, 79), (200, 120)]
)
def test_singular_inconsistent_against_pinv(rng, n, rank, condition):
    """The acceptance target: 1e-8 in x and in its norm."""
    A, P = singular_systems(rng, n, rank, condition, 10)
    b = rng.normal(size=(10, n))
    result = solve(A, b, max_iter=20 * n)
    expected = apply(P, b)
    assert np.all(result.status == LinearStatus.INCONSISTENT)
    assert np.max(relative_error(result.x, expected)) < 1e-9
    shortest = np.linalg.norm(expected, axis=1)
    assert np.all(np.abs(result.x_norm / shortest - 1) < 1e-9)
    for i in range(10):
        matrix_norm = np.linalg.norm(A[i] @ result.residual[i])
        assert result.matrix_residual_norm[i] == pytest.approx(matrix_norm, abs=1e-13)


def test_singular_inconsistent_full_range(rng):
    for n, rank in [(200, 100), (200, 199), (150, 149)]:
        A, P = singular_systems(rng, n, rank, 1e3, 5)
        b = rng.normal(size=(5, n))
        result = solve(A, b, max_iter=30 * n)
        assert np.all(result.status == LinearStatus.INCONSISTENT)
        assert np.max(relative_error(result.x, apply(P, b))) < 1e-9


def test_right_where_scipy_minres_fails(rng):
    """SciPy's minres claims success on a wrong x; LSMR and MINRES-QLP agree."""
    A, P = singular_systems(rng, 30, 20, 10, 10)
    b = rng.normal(size=(10, 30))
    result = solve(A, b)
    n_wrong = 0
    for i in range(10):
        x, info = minres(A[i], b[i], rtol=1e-10)
        n_wrong += info == 0 and relative_error(x, P[i] @ b[i]) > 1e-2
        reference = lsmr(A[i], b[i], atol=1e-14, btol=1e-14, conlim=0, maxiter=2000)[0]
        assert relative_error(result.x[i], reference) < 1e-8
    assert n_wrong > 0


def test_without_refinement_root_of_the_accuracy(rng):
    A, P = singular_systems(rng, 40, 30, 10, 10)
    b = rng.normal(size=(10, 40))
    plain, refined = solve(A, b, refine=False), solve(A, b)
    assert np.all(plain.status == LinearStatus.INCONSISTENT)
    assert np.max(relative_error(plain.x, apply(P, b))) < 1e-5
    assert np.max(relative_error(refined.x, apply(P, b))) < 1e-11
    assert np.all(plain.n_matvec < refined.n_matvec)


@pytest.mark.parametrize(
    ("condition", "sign"), [(1e2, -1), (1e5, -1), (1e8, -1), (1e10, 1)]
)
def test_ill_conditioned(rng, condition, sign):
    """Regular systems: backward stable whatever the condition."""
    n = 15
    d = np.geomspace(1, 1 / condition, n) * np.resize([1, sign], n)
    A = spectral(rng, d, 4)
    x = rng.normal(size=(4, n))
    result = solve(A, apply(A, x), max_iter=40 * n, rtol=1e-14)
    backward = result.residual_norm / result.x_norm
    assert np.all(backward < 1e-13)
    error = relative_error(result.x, x)
    assert np.all(error < 1e-12 * condition)
    assert np.all(result.condition < 10 * condition)
    known = (LinearStatus.SOLVED, LinearStatus.STAGNATED)
    assert np.all(np.isin(result.status, known))


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8])
def test_truncated_iterate_minimises_over_the_krylov_space(rng, steps):
    A = spectral(rng, np.linspace(-2, 3, 30), 3)
    b = rng.normal(size=(3, 30))
    result = solve(A, b, max_iter=steps)
    assert np.all(result.status == LinearStatus.MAX_ITER)
    assert np.all(result.n_iter == steps)
    assert np.all(result.n_matvec == steps + 2)
    for i in range(3):
        K = [b[i]]
        for _ in range(steps - 1):
            K.append(A[i] @ K[-1] / np.linalg.norm(K[-1]))
        Q = np.linalg.qr(np.array(K).T)[0]
        y = np.linalg.lstsq(A[i] @ Q, b[i], rcond=None)[0]
        assert relative_error(result.x[i], Q @ y) < 1e-10


def test_norms_of_truncated_iterates(rng):
    """Norms against explicit ones, after every number of steps."""
    A = spectral(rng, np.linspace(-2, 3, 12))
    b = rng.normal(size=(1, 12))
    for steps in range(1, 11):
        result = solve(A, b, max_iter=steps)
        r = b[0] - A[0] @ result.x[0]
        assert result.residual_norm[0] == pytest.approx(np.linalg.norm(r), rel=1e-10)
        image = np.linalg.norm(A[0] @ r)
        assert result.matrix_residual_norm[0] == pytest.approx(image, rel=1e-10)
    assert 1.0 <= result.matrix_norm[0] <= 3.0 + 1e-12
    assert result.condition[0] <= np.linalg.cond(A[0]) * (1 + 1e-10)


def test_too_few_iterations_to_refine(rng):
    """The refinement stops at max_iter too; x is then no worse than without it."""
    A, P = singular_systems(rng, 60, 40, 100, 3)
    b = rng.normal(size=(3, 60))
    plain = solve(A, b, refine=False)
    limit = int(np.max(plain.n_iter)) + 1  # the last product shows that A r = 0
    result = solve(A, b, max_iter=limit)
    assert np.all(result.matrix_residual_norm <= 1e-6 * result.residual_norm)
    assert np.all(result.n_iter <= 3 * limit)
    assert np.max(relative_error(result.x, apply(P, b))) < 1e-4


def test_loose_residual_tolerance_on_a_regular_system(rng):
    # The tolerance of the least-squares gradient is its own: when rtol is loose, the
    # first acceptable residual must end the run, and not count as inconsistent.
    n = 12
    A = spectral(rng, np.r_[np.linspace(-5, -1, 6), np.linspace(1, 5, 6)], 20)
    b = rng.normal(size=(20, n))
    norm = np.linalg.norm(b, axis=-1)
    result = solve(A, b, rtol=0.5)
    assert np.all(result.status == LinearStatus.SOLVED)
    assert np.all(result.residual_norm <= 0.5 * norm * (1 + 1e-12))
    assert np.all(result.residual_norm > 1e-3 * norm)
    for i, n_iter in enumerate(result.n_iter):
        if n_iter > 1:
            before = solve(A[i : i + 1], b[i : i + 1], rtol=0.5, max_iter=n_iter - 1)
            assert before.residual_norm[0] > 0.5 * norm[i]
    # With the same tolerance for both, as before, some would end as inconsistent.
    mixed = solve(A, b, rtol=0.5, ls_rtol=0.5, refine=False)
    assert np.any(mixed.status == LinearStatus.INCONSISTENT)


def test_stagnated(rng):
    """rtol below what rounding allows: ends at the rounding level of |A| |x|."""
    A = spectral(rng, np.geomspace(1e-5, 1, 12))
    result = solve(A, rng.normal(size=(1, 12)), max_iter=1000, rtol=0.0)
    assert result.status[0] == LinearStatus.STAGNATED
    assert result.residual_norm[0] <= 1e-14 * result.x_norm[0]


def test_absolute_tolerance(rng):
    A = spectral(rng, np.linspace(1, 2, 20))
    b = rng.normal(size=(1, 20))
    result = solve(A, b, rtol=0.0, atol=1e-3)
    assert result.status[0] == LinearStatus.SOLVED
    assert 1e-6 < result.residual_norm[0] <= 1e-3


def test_curvature_is_the_least_rayleigh_quotient_of_a_residual(rng):
    A = spectral(rng, np.r_[-0.05, np.linspace(0.5, 2, 19)], 4)
    b = rng.normal(size=(4, 20))
    result = solve(A, b)
    assert np.all(result.status == LinearStatus.SOLVED)
    for i in range(4):
        residuals = [b[i]] + [
            solve(A[i : i + 1], b[i : i + 1], max_iter=k).residual[0]
            for k in range(1, result.n_iter[i])
        ]
        quotients = [r @ A[i] @ r / (r @ r) for r in residuals]
        assert result.curvature[i] == pytest.approx(min(quotients), rel=1e-6)
        assert -0.05 - 1e-12 <= result.curvature[i] <= 0
    definite = solve(A + 0.1 * np.eye(20), b)
    assert np.all(definite.curvature >= 0.05 - 1e-12)
    # At a least-squares solution the sign of the quotient is noise.
    semidefinite = solve(spectral(rng, np.r_[0, 0, np.arange(1.0, 19.0)], 4), b)
    assert np.all(semidefinite.curvature > 0)
