"""MINRES-QLP: scales, what is not finite, counts, bad parameters, devices."""

import array_api_strict
import numpy as np
import pytest

from skcrit._backend import get_namespace, to_device, to_host
from skcrit.linalg import LinearStatus, _qlp_iteration, minres_qlp

from ._systems import (
    apply,
    dense_matvec,
    relative_error,
    singular_systems,
    solve,
    spectral,
)


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


def test_size_one(backend):
    A = np.array([2.0, -4.0, 0.0, 1e-20]).reshape(4, 1, 1)
    b = np.array([[1.0], [1.0], [1.0], [3.0]])
    result = solve(A, b, backend)
    np.testing.assert_allclose(result.x[:, 0], [0.5, -0.25, 0, 3e20])
    np.testing.assert_array_equal(result.n_iter, [1, 1, 0, 1])
    assert result.status[2] == LinearStatus.INCONSISTENT
    assert result.condition[0] == 1


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
    assert np.all(result.curvature == np.inf)


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


def test_each_system_can_have_a_tolerance(rng, backend):
    A = singular_systems(rng, 10, 10, 10, 4)[0]
    b, rtol = rng.normal(size=(4, 10)), np.array([0.5, 1e-2, 1e-8, 0.0])
    results = [solve(A, b, backend, rtol=float(t)) for t in rtol]
    together = solve(A, b, backend, rtol=rtol)
    for i, alone in enumerate(results):
        np.testing.assert_array_equal(together.x[i], alone.x[i])
        assert together.n_matvec[i] == alone.n_matvec[i]
    assert len(set(together.n_iter.tolist())) == 4


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
        ({"shift": np.ones(3)}, r"shift must be a number or have shape \(2,\).*\(3,\)"),
        ({"rtol": np.ones(3)}, r"rtol must be a number or have shape \(2,\).*\(3,\)"),
        ({"rtol": np.array([0.1, -0.1])}, "rtol must be a nonnegative finite number"),
        ({"rtol": np.array([0.1, np.nan])}, "rtol must be a nonnegative finite number"),
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
    """Each iteration asks the device once which systems end."""
    A = spectral(rng, np.linspace(1, 2, 20), 2)
    b = rng.normal(size=(2, 20))
    count = []
    original = type(array_api_strict.ones(1)).__bool__
    monkeypatch.setattr(
        type(array_api_strict.ones(1)),
        "__bool__",
        lambda self: count.append(1) or original(self),
    )
    monkeypatch.setattr(
        _qlp_iteration, "to_host", lambda array: count.append(1) or to_host(array)
    )
    counts = []
    for n_iter in (3, 6, 9):
        count.clear()
        solve(A, b, "array_api_strict", rtol=0.0, max_iter=n_iter)
        counts.append(len(count))
    assert np.all(np.diff(counts) == 3)


def test_backends_agree(rng):
    A = spectral(rng, np.linspace(-1, 3, 20), 3)
    b = rng.normal(size=(3, 20))
    on_numpy, on_strict = solve(A, b), solve(A, b, "array_api_strict")
    np.testing.assert_allclose(on_numpy.x, on_strict.x, rtol=1e-12)
    xp, device = get_namespace("array_api_strict")
    zeros = xp.zeros((2, 3), dtype=xp.float64, device=device)
    result = minres_qlp(lambda v: v, zeros)
    assert all(value.device == device for value in vars(result).values())
