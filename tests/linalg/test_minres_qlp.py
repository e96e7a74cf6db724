"""MINRES-QLP against dense linear algebra, SciPy's solvers and itself."""

import array_api_strict
import numpy as np
import pytest
from scipy.sparse.linalg import lsmr, minres

from skcrit._backend import get_namespace, to_device, to_host
from skcrit.linalg._minres_qlp import LinearStatus, minres_qlp

BACKENDS = (
    "numpy",
    "array_api_strict",
    pytest.param("cupy", marks=pytest.mark.gpu),
)


@pytest.fixture(params=BACKENDS)
def backend(request):
    """Name of the backend that computes."""
    if request.param == "cupy":
        pytest.importorskip("cupy")
    return request.param


def dense_matvec(A):
    """Product with a stack of matrices; it computes each row on its own."""
    return lambda v: (A @ v[..., None])[..., 0]


def solve(A, b, backend="numpy", dtype="float64", **options):
    """Solve on a backend; return the result with NumPy arrays."""
    matvec = dense_matvec(to_device(A, backend, dtype))
    if not np.isscalar(options.get("shift", 0.0)):
        options["shift"] = to_device(options["shift"], backend, dtype)
    result = minres_qlp(matvec, to_device(b, backend, dtype), **options)
    fields = {name: to_host(value) for name, value in vars(result).items()}
    return type(result)(**fields)


def spectral(rng, eigenvalues, n_systems=1):
    """Random symmetric matrices with given eigenvalues."""
    d = np.asarray(eigenvalues, dtype=float)
    out = np.empty((n_systems, d.size, d.size))
    for i in range(n_systems):
        Q = np.linalg.qr(rng.normal(size=(d.size, d.size)))[0]
        A = (Q * d) @ Q.T
        out[i] = (A + A.T) / 2
    return out


def singular_systems(rng, n, rank, condition, n_systems):
    """Indefinite singular matrices and their exact pseudoinverses."""
    A, P = np.empty((2, n_systems, n, n))
    for i in range(n_systems):
        Q = np.linalg.qr(rng.normal(size=(n, n)))[0][:, :rank]
        d = np.geomspace(1, 1 / condition, rank) * rng.choice([-1, 1], rank)
        A[i], P[i] = (Q * d) @ Q.T, (Q / d) @ Q.T
    return (A + A.transpose(0, 2, 1)) / 2, (P + P.transpose(0, 2, 1)) / 2


def relative_error(x, reference):
    """Relative error of each row, in the 2-norm."""
    return np.linalg.norm(x - reference, axis=-1) / np.linalg.norm(reference, axis=-1)


def apply(A, v):
    """Stacked matrices times stacked vectors."""
    return (A @ v[..., None])[..., 0]


def named_systems():
    """The table: name, matrix, right-hand side, shift, status, iterations or None."""
    rng = np.random.default_rng(0)
    n = 12
    definite = spectral(rng, np.linspace(1, 10, n))[0]
    indefinite = spectral(rng, np.r_[np.linspace(-5, -1, 6), np.linspace(1, 5, 6)])[0]
    singular = spectral(rng, np.r_[np.zeros(4), np.linspace(-5, -1, 4), 1, 2, 3, 4])[0]
    repeated = spectral(rng, np.r_[np.full(4, 2.0), np.full(4, -1.0), np.full(4, 3.0)])[
        0
    ]
    kernel = np.linalg.eigh(singular)[1][:, 4]
    swap = np.eye(n)[::-1]
    b = rng.normal(size=n)
    S = LinearStatus
    return [
        ("definite", definite, b, 0.0, S.SOLVED, None),
        ("indefinite", indefinite, b, 0.0, S.SOLVED, None),
        ("singular consistent", singular, singular @ b, 0.0, S.SOLVED, None),
        ("singular inconsistent", singular, b, 0.0, S.INCONSISTENT, None),
        ("b = 0", definite, 0 * b, 0.0, S.SOLVED, 0),
        ("b^T A b = 0", swap, np.eye(n)[0], 0.0, S.SOLVED, 2),
        ("shifted", definite, b, 0.5, S.SOLVED, None),
        ("shifted to indefinite", definite, b, 5.2, S.SOLVED, None),
        (
            "singular by the shift",
            2 * np.eye(n) - repeated,
            b,
            -1.0,
            S.INCONSISTENT,
            None,
        ),
        ("A = 0", 0 * definite, b, 0.0, S.INCONSISTENT, 0),
        ("A = identity", np.eye(n), b, 0.0, S.SOLVED, 1),
        ("A = -2 identity", -2 * np.eye(n), b, 0.0, S.SOLVED, 1),
        ("A = shift", 3 * np.eye(n), b, 3.0, S.INCONSISTENT, 0),
        ("repeated eigenvalues", repeated, b, 0.0, S.SOLVED, 3),
        (
            "b an eigenvector",
            np.diag(np.arange(n) - 3.5),
            np.eye(n)[2],
            0.0,
            S.SOLVED,
            1,
        ),
        (
            "b in the kernel",
            np.diag(np.arange(n)),
            np.eye(n)[0],
            0.0,
            S.INCONSISTENT,
            0,
        ),
        ("b nearly in the kernel", singular, kernel, 0.0, S.INCONSISTENT, 0),
    ]


NAMED = named_systems()


def pinv_solution(A, b, shift):
    """Minimum-norm least-squares solution by dense linear algebra."""
    matrix = A - shift * np.eye(len(b))
    return np.linalg.pinv(matrix, rcond=1e-10, hermitian=True) @ b


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


def test_backends_agree(rng):
    A = spectral(rng, np.linspace(-1, 3, 20), 3)
    b = rng.normal(size=(3, 20))
    on_numpy, on_strict = solve(A, b), solve(A, b, "array_api_strict")
    np.testing.assert_allclose(on_numpy.x, on_strict.x, rtol=1e-12)
    xp, device = get_namespace("array_api_strict")
    zeros = xp.zeros((2, 3), dtype=xp.float64, device=device)
    result = minres_qlp(lambda v: v, zeros)
    assert all(value.device == device for value in vars(result).values())


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


@pytest.mark.slow
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
    assert np.all(result.n_matvec == steps + 1)
    for i in range(3):
        K = [b[i]]
        for _ in range(steps - 1):
            K.append(A[i] @ K[-1] / np.linalg.norm(K[-1]))
        Q = np.linalg.qr(np.array(K).T)[0]
        y = np.linalg.lstsq(A[i] @ Q, b[i], rcond=None)[0]
        assert relative_error(result.x[i], Q @ y) < 1e-10


def test_convergence_history_of_estimates(rng):
    """Norm estimates of the recurrences against explicit ones, at every step."""
    A = spectral(rng, np.linspace(-2, 3, 12))
    b = rng.normal(size=(1, 12))
    for steps in range(1, 11):
        result = solve(A, b, max_iter=steps)
        previous = solve(A, b, max_iter=steps - 1) if steps > 1 else None
        residual = b[0] if previous is None else previous.residual[0]
        expected = np.linalg.norm(A[0] @ residual)
        assert result.matrix_residual_norm[0] == pytest.approx(expected, rel=1e-8)
    assert 1.0 <= result.matrix_norm[0] <= 3.0 + 1e-12
    assert result.condition[0] <= np.linalg.cond(A[0]) * (1 + 1e-10)


def test_nonpositive_curvature(rng, backend):
    """Stops at the first k with r_k^T A r_k <= 0, found here with explicit products."""
    A = spectral(rng, np.r_[-0.05, np.linspace(0.5, 2, 19)], 6)
    b = rng.normal(size=(6, 20))
    result = solve(A, b, backend, stop_on_nonpositive_curvature=True)
    assert np.all(result.status == LinearStatus.NONPOSITIVE_CURVATURE)
    assert np.all(result.indefinite)
    assert len(set(result.n_iter)) > 1
    for i in range(6):
        quotients = []
        for k in range(result.n_iter[i] + 1):
            x = solve(A[i : i + 1], b[i : i + 1], max_iter=k).x[0] if k else 0 * b[i]
            r = b[i] - A[i] @ x
            quotients.append(r @ A[i] @ r / (r @ r))
        assert all(q > 0 for q in quotients[:-1])
        assert quotients[-1] <= 0
        assert result.curvature[i] == pytest.approx(min(quotients), rel=1e-6)
        np.testing.assert_allclose(result.residual[i], r, atol=1e-12)


def test_curvature_is_reported_without_stopping(rng):
    A = spectral(rng, np.r_[-0.05, np.linspace(0.5, 2, 19)], 6)
    b = rng.normal(size=(6, 20))
    going_on = solve(A, b)
    assert np.all(going_on.status == LinearStatus.SOLVED)
    assert np.all(going_on.indefinite)
    assert np.all(going_on.curvature >= -0.05 - 1e-12)
    definite = solve(A + 0.1 * np.eye(20), b, stop_on_nonpositive_curvature=True)
    assert np.all(definite.status == LinearStatus.SOLVED)
    assert not np.any(definite.indefinite)
    semidefinite = solve(spectral(rng, np.r_[0, 0, np.arange(1.0, 19.0)], 6), b)
    assert not np.any(semidefinite.indefinite)


def test_nonpositive_curvature_at_the_start():
    A = np.array([[[0.0, 1.0], [1.0, 0.0]]])
    b = np.array([[2.0, 0.0]])
    result = solve(A, b, stop_on_nonpositive_curvature=True)
    assert result.status[0] == LinearStatus.NONPOSITIVE_CURVATURE
    assert result.n_iter[0] == 0
    np.testing.assert_array_equal(result.x, 0)
    np.testing.assert_array_equal(result.residual, b)
    assert result.curvature[0] == 0


@pytest.mark.parametrize("power", [-100, -33, 33, 100])
def test_scaling_is_exact(rng, power):
    A = np.concatenate([
        spectral(rng, np.linspace(-1, 2, 16), 2),
        singular_systems(rng, 16, 9, 10, 2)[0],
    ])
    b = rng.normal(size=(4, 16))
    unit, factor = solve(A, b), 2.0**power
    scaled = solve(A * factor, b)
    np.testing.assert_array_equal(scaled.x * factor, unit.x)
    np.testing.assert_array_equal(scaled.n_matvec, unit.n_matvec)
    np.testing.assert_array_equal(scaled.status, unit.status)
    np.testing.assert_array_equal(scaled.matrix_norm / factor, unit.matrix_norm)
    scaled = solve(A, b * factor)
    np.testing.assert_array_equal(scaled.x / factor, unit.x)
    np.testing.assert_array_equal(scaled.residual_norm / factor, unit.residual_norm)


@pytest.mark.parametrize("factor", [1e-150, 1e-30, 1e30, 1e150])
def test_badly_scaled_matrices(rng, factor):
    A = spectral(rng, np.linspace(-1, 2, 16), 2)
    b = rng.normal(size=(2, 16))
    np.testing.assert_allclose(
        solve(A * factor, b).x * factor, solve(A, b).x, rtol=1e-8, atol=1e-10
    )


def test_float32(rng, backend):
    A, P = singular_systems(rng, 20, 12, 10, 4)
    c = rng.normal(size=(4, 20))
    for b, status in (
        (apply(A, c), LinearStatus.SOLVED),
        (c, LinearStatus.INCONSISTENT),
    ):
        result = solve(A, b, backend, "float32", rtol=1e-5)
        assert result.x.dtype == np.float32
        assert np.all(result.status == status)
        assert np.max(relative_error(result.x, apply(P, b))) < 2e-3
    for factor in (1e-30, 1e30):
        scaled = solve(A * factor, apply(A, c), backend, "float32", rtol=1e-5)
        assert np.max(relative_error(scaled.x * factor, apply(P @ A, c))) < 2e-3


def test_limits_hold_for_refined_solutions(rng):
    A, P = singular_systems(rng, 20, 12, 10, 5)
    b = rng.normal(size=(5, 20))
    size = np.linalg.norm(apply(P, b), axis=1)
    generous = solve(A, b, max_norm=1e6 * float(np.max(size)))
    assert np.all(generous.status == LinearStatus.INCONSISTENT)
    assert np.max(relative_error(generous.x, apply(P, b))) < 1e-11
    tight = solve(A, b, max_norm=0.5 * float(np.min(size)))
    assert np.all(tight.status == LinearStatus.NORM_LIMIT)


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


def test_size_one(backend):
    A = np.array([2.0, -4.0, 0.0, 1e-20]).reshape(4, 1, 1)
    b = np.array([[1.0], [1.0], [1.0], [3.0]])
    result = solve(A, b, backend)
    np.testing.assert_allclose(result.x[:, 0], [0.5, -0.25, 0, 3e20])
    np.testing.assert_array_equal(result.n_iter, [1, 1, 0, 1])
    assert result.status[2] == LinearStatus.INCONSISTENT
    assert result.condition[0] == 1


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


def test_norm_limit(rng):
    A = spectral(rng, np.geomspace(1e-4, 1, 20), 3)
    b = rng.normal(size=(3, 20))
    free = solve(A, b, max_iter=400)
    limit = float(np.min(free.x_norm)) / 10
    result = solve(A, b, max_iter=400, max_norm=limit)
    assert np.all(result.status == LinearStatus.NORM_LIMIT)
    assert np.all(result.x_norm <= limit)
    for i in range(3):
        k = int(result.n_iter[i])
        row = slice(i, i + 1)
        assert solve(A[row], b[row], max_iter=k + 1).x_norm[0] > limit
        assert np.array_equal(solve(A[row], b[row], max_iter=k).x[0], result.x[i])


def test_condition_limit(rng):
    A = spectral(rng, np.geomspace(1e-6, 1, 20), 3)
    b = rng.normal(size=(3, 20))
    result = solve(A, b, max_iter=400, max_cond=100.0)
    assert np.all(result.status == LinearStatus.CONDITION_LIMIT)
    assert np.all(result.condition <= 100)
    assert np.all(result.n_iter > 0)


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


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_products(rng, backend, value):
    """The system keeps its last finite x, the others do not notice."""
    A = spectral(rng, np.linspace(1, 2, 10), 3)
    b = rng.normal(size=(3, 10))
    clean = solve(A, b, backend)
    matrices, calls = to_device(A, backend), []

    def matvec(v):
        calls.append(1)
        product = dense_matvec(matrices)(v)
        if len(calls) > 3:
            product[1, 4] = value
        return product

    result = minres_qlp(matvec, to_device(b, backend))
    status, x = to_host(result.status), to_host(result.x)
    np.testing.assert_array_equal(status, [0, LinearStatus.NON_FINITE, 0])
    np.testing.assert_array_equal(x[[0, 2]], clean.x[[0, 2]])
    np.testing.assert_array_equal(x[1], solve(A[1:2], b[1:2], backend, max_iter=3).x[0])
    assert to_host(result.n_iter)[1] == 3
    assert np.isnan(to_host(result.residual_norm)[1])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_right_hand_side(rng, backend, value):
    A = spectral(rng, np.linspace(1, 2, 10), 2)
    b = rng.normal(size=(2, 10))
    b[0, 3] = value
    result = solve(A, b, backend)
    np.testing.assert_array_equal(result.status, [LinearStatus.NON_FINITE, 0])
    np.testing.assert_array_equal(result.x[0], 0)
    assert result.n_iter[0] == 0


def test_all_right_hand_sides_zero(backend):
    result = solve(np.ones((2, 3, 3)), np.zeros((2, 3)), backend)
    np.testing.assert_array_equal(result.x, 0)
    np.testing.assert_array_equal(result.status, LinearStatus.SOLVED)
    np.testing.assert_array_equal(result.n_iter, 0)
    assert not np.any(result.indefinite)


def test_reuse_leaves_nothing_behind(rng):
    """Neither b nor a buffer that matvec returns every time is written to."""
    A, _ = singular_systems(rng, 10, 6, 10, 2)
    b = rng.normal(size=(2, 10))
    copy, buffer = b.copy(), np.empty((2, 10))

    def matvec(v):
        buffer[...] = apply(A, v)
        return buffer

    first, second = minres_qlp(matvec, b), solve(A, b)
    np.testing.assert_array_equal(b, copy)
    for name, value in vars(first).items():
        np.testing.assert_array_equal(value, getattr(second, name), err_msg=name)
    same = minres_qlp(lambda v: v, b)
    np.testing.assert_allclose(same.x, b, rtol=1e-15)


def test_number_of_products_is_counted(rng):
    calls = []
    A = singular_systems(rng, 10, 6, 10, 1)[0]

    def matvec(v):
        calls.append(1)
        return apply(A, v)

    for b in (rng.normal(size=(1, 10)), apply(A, rng.normal(size=(1, 10)))):
        calls.clear()
        assert minres_qlp(matvec, b).n_matvec[0] == len(calls)


def test_status_texts():
    assert LinearStatus.SOLVED == 0
    assert len({status.text for status in LinearStatus}) == len(LinearStatus)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rtol": -1.0}, "rtol must be a nonnegative finite number, got -1.0"),
        ({"rtol": np.nan}, "rtol must be a nonnegative finite number, got nan"),
        ({"ls_rtol": -0.1}, "ls_rtol must be a nonnegative finite number, got -0.1"),
        ({"atol": -1e-3}, "atol must be a nonnegative finite number, got -0.001"),
        ({"max_iter": 0}, "max_iter must be a positive integer or None, got 0"),
        ({"max_iter": 2.5}, "max_iter must be a positive integer or None, got 2.5"),
        ({"max_norm": -1.0}, "max_norm must be a nonnegative finite number or None"),
        ({"max_cond": np.inf}, "max_cond must be a nonnegative finite number or None"),
        ({"shift": np.ones(3)}, r"shift must be a number or have shape \(2,\).*\(3,\)"),
    ],
)
def test_bad_parameters(options, message):
    with pytest.raises(ValueError, match=message):
        minres_qlp(lambda v: v, np.ones((2, 4)), **options)


@pytest.mark.parametrize(
    ("b", "message"),
    [
        (np.ones(4), r"b must have shape \(n_systems, n\).*got shape \(4,\)"),
        (np.ones((0, 4)), "no axis empty"),
        (np.ones((2, 4), dtype=int), "b must be float64 or float32, got int64"),
        (
            np.ones((2, 4), dtype=complex),
            "b must be float64 or float32, got complex128",
        ),
    ],
)
def test_bad_right_hand_side(b, message):
    with pytest.raises(ValueError, match=message):
        minres_qlp(lambda v: v, b)


@pytest.mark.parametrize("wrong", [lambda v: v[:, :2], lambda v: v.astype("f4")])
def test_bad_products(wrong):
    with pytest.raises(ValueError, match="matvec must return an array of shape"):
        minres_qlp(wrong, np.ones((2, 4)))


def test_one_synchronisation_per_iteration(rng, monkeypatch):
    """Only the loop condition asks the device for a truth value."""
    A = spectral(rng, np.linspace(1, 2, 10), 2)
    count = []
    original = type(array_api_strict.ones(1)).__bool__
    monkeypatch.setattr(
        type(array_api_strict.ones(1)),
        "__bool__",
        lambda self: count.append(1) or original(self),
    )
    solve(A, rng.normal(size=(2, 10)), "array_api_strict", max_iter=6)
    assert len(count) <= 7
