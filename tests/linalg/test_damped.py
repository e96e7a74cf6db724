"""Damped systems against dense linear algebra and MINRES-QLP."""

import numpy as np
import pytest

from skcrit._backend import get_namespace, to_device, to_host
from skcrit.linalg import EigenSystem, KrylovSystem, minres_qlp

from ._systems import apply, dense_matvec, symmetric
from .conftest import BACKENDS

KINDS = ("dense", "krylov")
SHIFTS = (0.0, 1e-7, 1e-3, 0.3, 5.0, 100.0, -1e-3, -0.7, -2.5, -100.0)


class System:
    """A damped system of either kind, with NumPy arrays going in and out."""

    def __init__(self, kind, A, b, m=None, backend="numpy", dtype="float64"):
        self.place = (backend, dtype)
        A, b = (to_device(array, *self.place) for array in (A, b))
        if kind == "dense":
            self.system = EigenSystem(A, b)
        else:
            self.system = KrylovSystem(dense_matvec(A), b, m or b.shape[-1])
        self.n = b.shape[0]
        self.norm, self.n_matvec = self.system.norm, self.system.n_matvec

    def shifted(self, shift):
        shift = to_device(np.broadcast_to(shift, self.n), *self.place)
        return to_host(self.system.shifted(shift))

    def regularized(self, weight):
        weight = to_device(np.broadcast_to(weight, self.n), *self.place)
        return to_host(self.system.regularized(weight))

    def residual_norm(self, x):
        return self.system.residual_norm(to_device(x, *self.place))


def assert_close(actual, expected, tol=1e-10):
    """Row by row, relative to the norm of the row."""
    error = np.linalg.norm(actual - expected, axis=-1)
    size = np.linalg.norm(expected, axis=-1)
    assert np.all(error <= tol * np.maximum(size, 1e-300)), error / size


# The whole space, against dense linear algebra


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("kind", KINDS)
def test_shifted(kind, shift, backend, rng):
    A = symmetric(rng, [-3.0, -1.0, -0.2, 0.4, 1.0, 2.0, 6.0], 4)
    b = rng.standard_normal((4, 7))
    system = System(kind, A, b, backend=backend)
    expected = np.linalg.solve(A + shift * np.eye(7), b[..., None])[..., 0]
    assert_close(system.shifted(shift), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_shift_for_each_system(kind, rng):
    A = symmetric(rng, [-3.0, -1.0, 0.4, 1.0, 6.0], 10)
    b = rng.standard_normal((10, 5))
    x = System(kind, A, b).shifted(np.array(SHIFTS))
    for i, shift in enumerate(SHIFTS):
        single = System(kind, A[i : i + 1], b[i : i + 1]).shifted(shift)
        np.testing.assert_array_equal(x[i], single[0])


@pytest.mark.parametrize("shift", [0.0, 1.0, -2.0])
@pytest.mark.parametrize("kind", KINDS)
def test_singular_and_consistent(kind, shift, backend, rng):
    # 0, -1 and 2 are eigenvalues: the shifted matrix is singular.
    A = symmetric(rng, [-1.0, -1.0, 0.0, 0.0, 0.5, 2.0, 2.0, 3.0], 4)
    moved = A + shift * np.eye(8)
    b = apply(moved, rng.standard_normal((4, 8)))
    expected = apply(np.linalg.pinv(moved, rcond=1e-10, hermitian=True), b)
    system = System(kind, A, b, backend=backend)
    assert_close(system.shifted(shift), expected)


@pytest.mark.parametrize("shift", [0.0, 1.0, -2.0])
def test_singular_and_inconsistent(shift, backend, rng):
    A = symmetric(rng, [-1.0, -1.0, 0.0, 0.0, 0.5, 2.0, 2.0, 3.0], 4)
    b = rng.standard_normal((4, 8))
    pinv = np.linalg.pinv(A + shift * np.eye(8), rcond=1e-10, hermitian=True)
    x = System("dense", A, b, backend=backend).shifted(shift)
    assert_close(x, apply(pinv, b))


@pytest.mark.parametrize("kind", KINDS)
def test_zero_matrix_and_zero_vector(kind, backend):
    A = np.stack([np.zeros((3, 3)), np.diag([1.0, -2.0, 0.0])])
    b = np.array([[1.0, 2.0, 2.0], [0.0, 0.0, 0.0]])
    system = System(kind, A, b, backend=backend)
    np.testing.assert_array_equal(system.shifted(0.0), 0 * b)
    np.testing.assert_allclose(system.shifted(-4.0), [-b[0] / 4, 0 * b[1]])
    # Without a weight the minimiser of minimum norm.
    for weight in (0.0, 1e-3):
        np.testing.assert_array_equal(system.regularized(weight), 0 * b)
    np.testing.assert_allclose(system.residual_norm(0 * b), [3.0, 0.0])
    np.testing.assert_allclose(system.norm, [0.0, 2.0 * (kind == "dense")])


@pytest.mark.parametrize("weight", [1e-8, 1e-3, 1.0, 1e4])
@pytest.mark.parametrize("kind", KINDS)
def test_regularized(kind, weight, backend, rng):
    A = symmetric(rng, [-3.0, -1.0, -0.2, 0.0, 1.0, 2.0, 6.0], 3)
    b = rng.standard_normal((3, 7))
    x = System(kind, A, b, backend=backend).regularized(weight)
    identity = np.eye(7)
    normal = np.linalg.solve(A @ A + weight * identity, apply(A, b)[..., None])
    assert_close(x, normal[..., 0], 1e-10 + 1e-13 / weight)
    for i in range(3):
        stacked = np.concatenate([A[i], np.sqrt(weight) * identity])
        expected = np.linalg.lstsq(stacked, np.r_[b[i], np.zeros(7)])[0]
        assert_close(x[i : i + 1], expected[None], 1e-9 + 1e-15 / weight)


@pytest.mark.parametrize("kind", KINDS)
def test_no_weight_gives_least_squares(kind, rng):
    A = symmetric(rng, [-3.0, -1.0, 0.2, 1.0, 6.0], 3)
    b = rng.standard_normal((3, 5))
    assert_close(
        System(kind, A, b).regularized(0.0), np.linalg.solve(A, b[..., None])[..., 0]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_residuals_and_norms(kind, backend, rng):
    A = symmetric(rng, [-7.0, -1.0, -0.2, 0.4, 1.0, 2.0, 6.0], 3)
    b = rng.standard_normal((3, 7))
    system = System(kind, A, b, backend=backend)
    np.testing.assert_allclose(system.norm, 7.0)
    assert isinstance(system.norm, np.ndarray)
    for x in (
        system.shifted(0.5),
        system.regularized(0.1),
        rng.standard_normal((3, 7)),
    ):
        norm = system.residual_norm(x)
        assert isinstance(norm, np.ndarray)
        np.testing.assert_allclose(norm, np.linalg.norm(apply(A, x) - b, axis=-1))


# A part of the space


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("m", [1, 2, 5, 12])
def test_shifted_solutions_are_the_iterates_of_minres_qlp(m, shift, rng):
    A = symmetric(rng, rng.uniform(-2, 6, 30), 5)
    b = rng.standard_normal((5, 30))
    x = System("krylov", A, b, m).shifted(shift)
    reference = minres_qlp(
        dense_matvec(A), b, shift=-shift, rtol=1e-15, max_iter=m, refine=False
    )
    # Far from the eigenvalues fewer iterations are enough.
    assert np.all((reference.n_iter == m) | (abs(shift) == 100))
    assert_close(x, reference.x, 1e-8)


@pytest.mark.parametrize("m", [1, 3, 8])
def test_solutions_are_the_best_of_the_space(m, backend, rng):
    n = 20
    A = symmetric(rng, rng.uniform(-2, 6, n), 3)
    b = rng.standard_normal((3, n))
    system = System("krylov", A, b, m, backend)
    assert np.all(np.asarray(system.n_matvec) == m)
    for i in range(3):
        space = np.stack([np.linalg.matrix_power(A[i], k) @ b[i] for k in range(m)])
        V = np.linalg.qr(space.T)[0]
        image = A[i] @ V
        assert system.norm[i] == pytest.approx(np.linalg.norm(image, 2), rel=1e-8)
        for shift in SHIFTS:
            y = np.linalg.lstsq(image + shift * V, b[i])[0]
            x = system.shifted(shift)
            assert_close(x[i], V @ y, 1e-6)
            residual = np.linalg.norm(image @ y - b[i])
            assert system.residual_norm(x)[i] == pytest.approx(residual, rel=1e-6)
        for weight in (1e-6, 1e-2, 10.0):
            stacked = np.concatenate([image, np.sqrt(weight) * np.eye(m)])
            y = np.linalg.lstsq(stacked, np.r_[b[i], np.zeros(m)])[0]
            assert_close(system.regularized(weight)[i], V @ y, 1e-6)


def test_a_space_that_ends_early_is_enough(backend, rng):
    # Three distinct eigenvalues: three products solve, whatever is asked for.
    A = symmetric(rng, np.repeat([2.0, -1.0, 3.0], 5), 3)
    b = rng.standard_normal((3, 15))
    exact = System("dense", A, b, backend=backend)
    for m in (3, 4, 10, 15, 99):
        system = System("krylov", A, b, m, backend)
        assert np.all(np.asarray(system.n_matvec) == 3)
        for shift in SHIFTS:
            assert_close(system.shifted(shift), exact.shifted(shift))
        for weight in (1e-6, 1.0):
            assert_close(system.regularized(weight), exact.regularized(weight))


def test_dense_products_are_the_columns():
    assert System("dense", np.eye(6)[None], np.ones((1, 6))).n_matvec == 6


# Batches and backends


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [4, 40])
def test_rows_do_not_depend_on_the_batch(kind, n, rng):
    A = np.concatenate([
        symmetric(rng, rng.standard_normal(n), 3),
        symmetric(rng, np.arange(n) % 2, 2),
        np.zeros((1, n, n)),
    ])
    b = rng.standard_normal((6, n))
    results = {}
    for name, rows in {"all": slice(None), "back": slice(None, None, -1)}.items():
        system = System(kind, A[rows], b[rows], 10)
        x, y = system.shifted(0.3), system.regularized(0.3)
        results[name] = (x, y, system.residual_norm(x), system.norm)
    for i in range(6):
        system = System(kind, A[i : i + 1], b[i : i + 1], 10)
        x, y = system.shifted(0.3), system.regularized(0.3)
        alone = (x, y, system.residual_norm(x), system.norm)
        for j, array in enumerate(alone):
            np.testing.assert_array_equal(array[0], results["all"][j][i])
            np.testing.assert_array_equal(array[0], results["back"][j][5 - i])


# The products with the entries that are not finite are the test's own.
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["matrix", "vector"])
@pytest.mark.parametrize("kind", KINDS)
def test_systems_that_are_not_finite_have_the_solution_zero(kind, where, bad, rng):
    A = symmetric(rng, [-3.0, -1.0, 0.4, 1.0, 6.0], 4)
    b = rng.standard_normal((4, 5))
    clean = System(kind, A, b)
    expected = [clean.shifted(0.3), clean.regularized(0.3), clean.shifted(0.0)]
    (A if where == "matrix" else b)[1, ..., 2] = bad
    system = System(kind, A, b)
    solutions = [system.shifted(0.3), system.regularized(0.3), system.shifted(0.0)]
    for x, wanted in zip(solutions, expected, strict=True):
        np.testing.assert_array_equal(x[1], 0)
        np.testing.assert_array_equal(x[[0, 2, 3]], wanted[[0, 2, 3]])
    np.testing.assert_array_equal(system.norm[[0, 2, 3]], clean.norm[[0, 2, 3]])
    assert np.all(np.isfinite(system.norm))


# The overflow is what is tested.
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_a_right_hand_side_whose_norm_overflows(kind):
    x = System(kind, np.eye(3)[None], np.full((1, 3), 1e200)).shifted(1.0)
    assert np.all(np.isfinite(x))


@pytest.mark.parametrize("kind", KINDS)
def test_device_gives_the_numbers_of_numpy(kind, rng):
    A = symmetric(rng, rng.standard_normal(12), 3)
    b = rng.standard_normal((3, 12))
    systems = [System(kind, A, b, 6, backend) for backend in BACKENDS[:2]]
    for shift in SHIFTS:
        expected, x = (system.shifted(shift) for system in systems)
        assert_close(x, expected, 1e-9)
    expected, x = (system.regularized(1e-3) for system in systems)
    assert_close(x, expected, 1e-9)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_solutions_stay_on_the_device(kind, dtype, rng):
    xp, place = get_namespace("array_api_strict")
    A = symmetric(rng, rng.standard_normal(5), 2)
    b = rng.standard_normal((2, 5))
    system = System(kind, A, b, 3, "array_api_strict", dtype).system
    damping = to_device(np.ones(2), "array_api_strict", dtype)
    for x in (system.shifted(damping), system.regularized(damping)):
        assert x.device == place
        assert x.dtype == getattr(xp, dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_float32(kind, rng):
    A = symmetric(rng, [-3.0, -1.0, 0.0, 1.0, 6.0], 3)
    b = apply(A, rng.standard_normal((3, 5)))
    single, double = (System(kind, A, b, dtype=f"float{k}") for k in (32, 64))
    for shift in (0.5, 1e-3, -0.5, -10.0):
        x = single.shifted(shift)
        assert x.dtype == np.float32
        assert_close(x, double.shifted(shift), 1e-3)
    assert_close(single.regularized(0.1), double.regularized(0.1), 1e-4)
