"""Levels of zero: their order, their units, and what each is for."""

import numpy as np
import pytest

from skcrit._backend import to_device, to_host
from skcrit.linalg import KrylovSystem, eigh, levels

LEVELS = [getattr(levels, name) for name in levels.__all__]
IN_ORDER = (
    levels.pseudoinverse_level,
    levels.rounding_level,
    levels.symmetry_level,
    levels.direction_level,
    levels.flatness_level,
)


def test_all_are_listed_in_order(rng):
    assert set(IN_ORDER) == set(LEVELS)
    values = rng.standard_normal((5, 30))
    sizes = np.stack([level(values) for level in IN_ORDER])
    assert np.all(np.diff(sizes, axis=0) > 0)


@pytest.mark.parametrize("level", IN_ORDER, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_levels_have_the_unit_of_the_eigenvalues(level, dtype, backend, rng):
    values = rng.standard_normal((4, 2, 9)).astype(dtype)
    found = level(to_device(values, backend, dtype))
    assert found.dtype == to_device(values, backend, dtype).dtype
    found = to_host(found)
    assert found.shape == (4, 2)
    assert np.all(found > 0)
    for factor in (-(2.0**20), 2.0**-20):
        scaled = level(to_device(values * np.asarray(factor, dtype), backend, dtype))
        np.testing.assert_array_equal(to_host(scaled), found * abs(factor))


def test_rounding_is_the_level_of_symmetries_in_single_precision(rng):
    values = rng.standard_normal((3, 20)).astype("float32")
    found = levels.symmetry_level(values)
    np.testing.assert_array_equal(found, levels.rounding_level(values))
    double = values.astype("float64")
    found = levels.symmetry_level(double)
    np.testing.assert_allclose(found, 1e-10 * np.abs(double).max(axis=-1))


def test_zero_modes_of_computed_eigenvalues_are_below_rounding(rng):
    for n in (3, 20, 100):
        Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
        d = np.where(np.arange(n) < n // 3, 0.0, rng.uniform(1, 10, n))
        A = (Q * d) @ Q.T
        values = eigh(((A + A.T) / 2)[None])[0]
        zeros = np.sort(np.abs(values[0]))[: n // 3]
        assert np.all(zeros <= levels.rounding_level(values)[0])


def test_flat_steps_leave_the_near_kernel_out(rng):
    """Of a gradient in the near-kernel nothing is removed, of another everything."""
    d = np.r_[np.full(4, 1e-7), 1.0, 2.0, -3.0]
    for b, share in ((np.eye(7)[0], 1.0), (np.eye(7)[5], 0.0)):
        system = KrylovSystem(lambda v: v * d, (b + 1e-9)[None], 7)
        p = system.truncated(levels.flatness_level)
        assert np.linalg.norm(d * p[0] - b) == pytest.approx(share, abs=1e-6)
        assert np.linalg.norm(p) <= 2
