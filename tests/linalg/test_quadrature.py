"""Parts of eigenvalues from products, against spectra that are known."""

from functools import cache

import numpy as np
import pytest

from skcrit._backend import to_device
from skcrit.linalg import inertia_fractions, quadrature

N = 30


def spectra():
    """Name eigenvalues, and the level to which they are zero."""
    rng = np.random.default_rng(0)
    kernel = np.r_[-np.geomspace(0.01, 1, 6), np.zeros(10), np.linspace(0.01, 3, 14)]
    clusters = np.repeat([-1.0, -0.01, 0.01, 2.0], [8, 7, 8, 7])
    near = np.r_[1e-3 * rng.standard_normal(15), rng.uniform(0.1, 5, 15)]
    graded = np.geomspace(1e-8, 1, N) * rng.choice([-1, 1], N)
    return {
        "spread": (np.linspace(-1, 3, N), 1e-6),
        "kernel": (kernel, 1e-6),
        "clusters": (clusters, 1e-3),
        "near the level": (near, 1e-3),
        "graded": (graded, 1e-5),
        "one negative": (np.r_[-0.5, np.linspace(0.1, 3, N - 1)], 1e-6),
        "definite": (np.linspace(0.1, 3, N), 1e-6),
        "zero": (np.zeros(N), 1e-6),
        "at the level": (np.repeat([-0.5, -0.25, 0.25, 1.0], [8, 7, 8, 7]), 0.25),
        "wide level": (np.linspace(-1, 3, N), 0.7),
    }


SPECTRA = spectra()


def parts(d, level):
    return np.array([np.mean(d < -level), np.mean(abs(d) <= level), np.mean(d > level)])


def intervals(r):
    return np.array([r.negative_interval, r.zero_interval, r.positive_interval])


@cache
def coverage(name, n_vectors, n_probes, n_repeats=100):
    """Run with many seeds: shares that cover, mean widths, mean smearing."""
    d, level = SPECTRA[name]
    covered, width, smearing = np.zeros(3), np.zeros(3), 0.0
    for seed in range(n_repeats):
        result = inertia_fractions(
            lambda v: v * d,
            N,
            level=level,
            n_probes=n_probes,
            n_vectors=n_vectors,
            confidence_level=0.9,
            random_state=seed,
        )
        low, high = intervals(result).T
        true = parts(d, level)
        covered += (low <= true + 1e-9) & (true <= high + 1e-9)
        width += high - low
        smearing += np.mean(result.smearing)
    return covered / n_repeats, width / n_repeats, smearing / n_repeats


@pytest.mark.parametrize("n_vectors", [1, 8, N])
@pytest.mark.parametrize("name", SPECTRA)
def test_intervals_cover_at_their_rate(name, n_vectors):
    # 0.81 is three standard errors below 0.9.
    assert np.all(coverage(name, n_vectors, 3)[0] >= 0.81)


@pytest.mark.parametrize("name", ["spread", "kernel", "clusters", "graded"])
def test_intervals_are_no_wider_than_they_must_be(name):
    """Without smearing the rate is the nominal one, not more."""
    covered, width, smearing = coverage(name, N, 3)
    assert smearing < 1e-6
    f = parts(*SPECTRA[name])
    some = (f > 0.1) & (f < 0.9)
    assert np.all(covered[some] <= 0.98)
    # 90 % of a normal distribution, and the steps of 1/n at both ends
    normal = 2 * 1.645 * np.sqrt(2 * f * (1 - f) / (3 * N))
    assert np.all(width <= 1.1 * normal + 2 / N)


def test_more_vectors_and_probes_narrow_the_intervals():
    few, many = (coverage("kernel", m, 3) for m in (8, 25))
    assert np.all(many[1] < few[1])
    assert many[2] < few[2]
    assert np.all(
        coverage("spread", N, 12, 40)[1] < 0.6 * coverage("spread", N, 3)[1] + 2 / N
    )


def test_bounds_hold_for_every_probe(rng):
    """Each vector's measure lies between the bounds of its quadrature."""
    for name, (d, level) in SPECTRA.items():
        z = rng.standard_normal((1, N))
        for m in (1, 3, 10, 25):
            rule = quadrature._rule(lambda v, d=d: v * d, z, m)
            sums = quadrature._sums(rule, level)
            below = np.sum(z**2 * (d < -level)), np.sum(z**2 * (d <= level))
            assert sums[0] == pytest.approx(np.sum(z**2))
            assert np.all(sums[1:3] <= np.array(below) + 1e-9), name
            assert np.all(sums[3:5] >= np.array(below) - 1e-9), name


# What is exactly at the level is on neither side of it for certain.
@pytest.mark.parametrize("name", sorted(set(SPECTRA) - {"at the level"}))
def test_all_vectors_and_many_probes_give_the_truth(name):
    d, level = SPECTRA[name]
    result = inertia_fractions(
        lambda v: v * d, N, level=level, n_probes=300, n_vectors=N, random_state=0
    )
    found = np.array([result.negative, result.zero, result.positive])
    np.testing.assert_allclose(found, parts(d, level), atol=0.02)
    assert np.sum(found) == pytest.approx(1)
    assert result.n_matvec <= 300 * N


def test_several_levels_cost_no_more_than_one():
    d = SPECTRA["graded"][0]
    options = {"n_vectors": 12, "n_probes": 4, "random_state": 0}
    levels = [1e-6, 1e-3, 0.3]
    found = inertia_fractions(lambda v: v * d, N, level=levels, **options)
    for level, result in zip(levels, found, strict=True):
        alone = inertia_fractions(lambda v: v * d, N, level=level, **options)
        assert result == alone
    # Signs of small eigenvalues are not resolved, those of large ones are.
    assert max(found[0].smearing) > 10 * max(found[-1].smearing)


def test_a_kernel_is_seen_before_the_level_is_resolved():
    d, level = SPECTRA["kernel"]
    result = inertia_fractions(
        lambda v: v * d, N, level=level, n_probes=90, n_vectors=12, random_state=0
    )
    assert min(result.smearing) > 0.1
    found = (result.negative, result.zero, result.positive)
    np.testing.assert_allclose(found, parts(d, level), atol=0.06)


def test_a_known_kernel_blurs_nothing(rng, backend):
    d, level = SPECTRA["kernel"]
    mix = rng.standard_normal((10, 10))
    kernel = to_device(mix @ np.eye(N)[d == 0], backend)
    there = to_device(d, backend)
    options = {"level": level, "n_vectors": 14, "random_state": 0, "n_probes": 20}
    blurred = inertia_fractions(lambda v: v * there, N, like=there, **options)
    sharp = inertia_fractions(lambda v: v * there, N, kernel=kernel, **options)
    assert max(sharp.smearing) < 0.4 * min(blurred.smearing)
    low, high = intervals(sharp).T
    true = parts(d, level)
    assert np.all((low <= true) & (true <= high))
    assert sharp.zero_interval[0] == pytest.approx(1 / 3)
    assert np.all(high - low < 0.7 * np.subtract(*intervals(blurred).T[::-1]))
    # What is left of the space bounds the number of products.
    all_of_it = inertia_fractions(
        lambda v: v * there, N, kernel=kernel, **(options | {"n_vectors": N})
    )
    assert all_of_it.n_matvec <= 20 * 20


def test_a_matrix_that_is_known_to_vanish():
    result = inertia_fractions(lambda v: 0 * v, 3, level=0.1, kernel=np.eye(3))
    assert result.zero == 1
    assert result.zero_interval == (1, 1)
    assert result.negative_interval == result.positive_interval == (0, 0)
    assert result.n_matvec == 0


def test_no_negative_eigenvalue_is_certain_at_last():
    result = inertia_fractions(
        lambda v: v * SPECTRA["definite"][0], N, level=1e-6, random_state=0
    )
    assert result.negative_interval == result.zero_interval == (0, 0)
    assert result.positive_interval == (1, 1)


@pytest.mark.parametrize("factor", [1e-20, 1e20])
def test_units(factor):
    d, level = SPECTRA["near the level"]
    options = {"n_vectors": 12, "random_state": 0}
    unit = inertia_fractions(lambda v: v * d, N, level=level, **options)
    scaled = inertia_fractions(
        lambda v: v * d * factor, N, level=level * factor, **options
    )
    np.testing.assert_allclose(intervals(scaled), intervals(unit), atol=1e-9)
    assert scaled.negative == pytest.approx(unit.negative, abs=1e-9)


def test_a_change_of_sign_exchanges_the_sides():
    d, level = SPECTRA["graded"]
    options = {"level": level, "n_vectors": 12, "random_state": 0}
    plus = inertia_fractions(lambda v: v * d, N, **options)
    minus = inertia_fractions(lambda v: -v * d, N, **options)
    np.testing.assert_allclose(intervals(plus)[::-1], intervals(minus), atol=1e-9)
    assert plus.negative == pytest.approx(minus.positive, abs=1e-9)


def test_memory_is_bounded_and_does_not_show(monkeypatch):
    d, level = SPECTRA["spread"]
    sizes = []

    def matvec(v):
        sizes.append(v.shape[0])
        return v * d

    options = {"level": level, "n_probes": 11, "n_vectors": 9, "random_state": 3}
    whole = inertia_fractions(matvec, N, **options)
    assert set(sizes) == {11}
    sizes.clear()
    monkeypatch.setattr(quadrature, "_MAX_NUMBERS", 3 * 10 * N)
    divided = inertia_fractions(matvec, N, **options)
    assert set(sizes) == {3, 2}
    assert sum(sizes) == divided.n_matvec == whole.n_matvec == 99
    np.testing.assert_array_equal(intervals(divided), intervals(whole))
    assert divided.negative == pytest.approx(whole.negative, rel=1e-12)


def test_a_matrix_that_was_drawn_with_the_same_seed():
    Q = np.linalg.qr(np.random.RandomState(0).standard_normal((N, N)).T)[0]
    d = np.where(np.arange(N) < 3, -1.0, 1.0)
    result = inertia_fractions(
        lambda v: (v @ Q) * d @ Q.T, N, level=1e-6, n_probes=3, random_state=0
    )
    assert result.negative_interval[0] <= 0.1 <= result.negative_interval[1]


def test_seeds():
    d = SPECTRA["spread"][0]
    options = {"level": 0.1, "n_vectors": 9}
    one, same, other = (
        inertia_fractions(lambda v: v * d, N, random_state=seed, **options)
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one.negative != other.negative


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["spread", "kernel", "clusters"])
def test_on_a_device(name, dtype, backend):
    d, level = SPECTRA[name]
    level = max(level, 1e-4)
    there = to_device(d, backend, dtype)

    def matvec(v):
        assert v.dtype == there.dtype
        assert v.device == there.device
        return v * there

    options = {"level": level, "n_vectors": 12, "n_probes": 4, "random_state": 0}
    result = inertia_fractions(matvec, N, like=there, **options)
    expected = inertia_fractions(lambda v: v * d, N, **options)
    tol = 1e-9 if dtype == "float64" else 0.02
    np.testing.assert_allclose(intervals(result), intervals(expected), atol=tol)
    low, high = intervals(result).T
    assert np.all((low <= parts(d, level)) & (parts(d, level) <= high))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tiny_matrices(n):
    for signs in np.ndindex(*(3,) * n):
        d = np.array(signs) - 1.0
        result = inertia_fractions(
            lambda v, d=d: v * d, n, level=0.1, n_probes=80, random_state=0
        )
        low, high = intervals(result).T
        assert np.all((low <= parts(d, 0.1)) & (parts(d, 0.1) <= high))
        assert np.all(high - low <= 0.67)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": -1.0}, "level must be"),
        ({"level": np.nan}, "level must be"),
        ({"level": [0.1, -1.0]}, "level must be"),
        ({"level": []}, "level must be a number or a sequence of them, got none"),
        ({"n_probes": 0}, "n_probes must be"),
        ({"n_vectors": 0}, "n_vectors must be"),
        ({"confidence_level": 1.0}, "confidence_level must be"),
        ({"random_state": "x"}, "random_state must be"),
        ({"kernel": np.ones((1, 3))}, r"kernel must have shape \(k, 4\)"),
        ({"kernel": np.ones((5, 4))}, r"kernel must have shape \(k, 4\)"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        inertia_fractions(lambda v: v, 4, **({"level": 0.1} | options))


def test_products_that_are_not_finite():
    with pytest.raises(ValueError, match="matvec must return finite products"):
        inertia_fractions(lambda v: v * np.nan, 4, level=0.1)
