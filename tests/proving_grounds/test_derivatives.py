"""Derivatives and symmetries of the grounds, against references of their own."""

import numpy as np
import pytest

from skcrit import proving_grounds
from skcrit.proving_grounds import (
    make_brockett_cost,
    make_central_configurations,
    make_himmelblau,
    make_lennard_jones,
    make_mueller_brown,
    make_orthogonal_tensor,
    make_phase_retrieval,
    make_quadratic_network,
    make_separable_quartic,
    make_six_hump_camel,
    make_three_hump_camel,
)
from skcrit.utils.testing import check_loss

from . import _reference as reference

SIGNAL = np.array([1.0, 0.5, -2.0, 0.3])
GROUNDS = {
    "brockett": (make_brockett_cost, (), reference.brockett),
    "central": (make_central_configurations, (4,), reference.newton),
    "himmelblau": (make_himmelblau, (), reference.himmelblau),
    "lennard-jones": (make_lennard_jones, (5,), reference.lennard_jones),
    "mueller-brown": (make_mueller_brown, (), reference.mueller_brown),
    "tensor 3": (make_orthogonal_tensor, (), reference.tensor(3)),
    "tensor 4": (
        make_orthogonal_tensor,
        ([1, 1.2, 1.4, 1.6], 4),
        reference.tensor(4),
    ),
    "phase": (
        make_phase_retrieval,
        (SIGNAL,),
        reference.quadratic(np.outer(SIGNAL, SIGNAL), 1),
    ),
    "quadratic": (
        make_quadratic_network,
        ((3, 2, 1), 2),
        reference.quadratic(np.diag([3.0, 2, 1]), 2),
    ),
    "separable": (make_separable_quartic, (3,), reference.separable),
    "six-hump": (make_six_hump_camel, (), reference.six_hump),
    "three-hump": (make_three_hump_camel, (), reference.three_hump),
}
every = pytest.mark.parametrize("name", GROUNDS)


def make(name, **options):
    function, args, _ = GROUNDS[name]
    return function(*args, **options)


def near_starts(loss, n=4):
    """Points off every manifold and symmetry."""
    streams = [np.random.default_rng((5, i)) for i in range(n)]
    starts = loss.draw_starts(streams)
    return starts + 0.02 * np.random.default_rng(3).standard_normal(starts.shape)


def test_every_ground_is_tested():
    tested = {function.__name__ for function, _, _ in GROUNDS.values()}
    assert tested == set(proving_grounds.__all__)


@every
def test_contract(name):
    loss = make(name)
    check_loss(loss, points=near_starts(loss))


@every
def test_gradient_by_complex_step(name, rng):
    loss, value = make(name), GROUNDS[name][2]
    for theta in near_starts(loss):
        assert loss.value(theta) == pytest.approx(value(theta), rel=1e-11)
        v = rng.standard_normal(loss.n_params_)
        gradient = loss.gradient(theta)
        slope = reference.complex_step(value, theta, v)
        scale = np.linalg.norm(gradient) * np.linalg.norm(v)
        assert abs(slope - gradient @ v) <= 1e-11 * scale


@every
def test_products_by_complex_step(name, rng):
    loss, value = make(name), GROUNDS[name][2]
    for theta in near_starts(loss):
        v, w = rng.standard_normal((2, loss.n_params_))

        def slope(point, w=w, value=value):
            return reference.complex_step(value, point, w)

        product = loss.hvp(theta, v)
        bend = reference.second_difference(slope, theta, v)
        scale = np.linalg.norm(loss.hessian(theta), 2)
        scale *= np.linalg.norm(v) * np.linalg.norm(w)
        assert abs(bend - product @ w) <= 1e-7 * scale


@every
def test_a_row_does_not_depend_on_its_batch(name, rng):
    loss = make(name)
    points = near_starts(loss, 7)
    v = rng.standard_normal(points.shape)
    for whole, one in [
        (loss.value(points), loss.value(points[2:3])),
        (loss.gradient(points), loss.gradient(points[2:3])),
        (loss.hvp(points, v), loss.hvp(points[2:3], v[2:3])),
    ]:
        np.testing.assert_array_equal(whole[2:3], one)


@every
def test_other_array_libraries(name, rng):
    from skcrit._backend import to_host

    host, strict = make(name), make(name, backend="array_api_strict")
    points = near_starts(host)
    v = strict.asarray(rng.standard_normal(points.shape))
    on_device = strict.asarray(points)
    for method, args in [
        ("value", ()),
        ("gradient", ()),
        ("hvp", (v,)),
        ("invariants", ()),
        ("representative", ()),
        ("orbit_tangents", ()),
    ]:
        there = to_host(getattr(strict, method)(on_device, *args))
        here = getattr(host, method)(points, *(to_host(a) for a in args))
        np.testing.assert_allclose(there, here, rtol=1e-10, atol=1e-10)
    assert strict.ground_truth().n_sets == host.ground_truth().n_sets


@every
def test_single_precision(name):
    single, double = make(name, dtype="float32"), make(name)
    points = near_starts(double)
    gradient = single.gradient(points)
    assert gradient.dtype == np.float32
    size = np.max(np.abs(double.gradient(points)))
    np.testing.assert_allclose(gradient, double.gradient(points), atol=1e-4 * size)


@every
def test_loss_is_constant_along_tangents(name):
    loss = make(name)
    for theta in near_starts(loss):
        tangents = loss.orbit_tangents(theta)
        gradient = loss.gradient(theta)
        sizes = np.linalg.norm(tangents, axis=1) * np.linalg.norm(gradient)
        assert np.all(np.abs(tangents @ gradient) <= 1e-12 * sizes)
        moved = theta + 1e-5 * tangents
        shift = loss.invariants(moved) - loss.invariants(theta)
        assert np.all(np.abs(shift) <= 1e-8)


@every
def test_representative_is_an_equivalent_point(name):
    loss = make(name)
    points = near_starts(loss)
    chosen = loss.representative(points)
    np.testing.assert_allclose(loss.value(chosen), loss.value(points), rtol=1e-12)
    np.testing.assert_allclose(
        loss.invariants(chosen), loss.invariants(points), rtol=1e-12
    )
    np.testing.assert_allclose(
        np.linalg.norm(chosen, axis=1), np.linalg.norm(points, axis=1), rtol=1e-14
    )
    np.testing.assert_array_equal(loss.representative(chosen), chosen)


def test_not_finite_points_give_nan_and_no_error():
    for loss in (make("brockett"), make("tensor 3")):
        points = near_starts(loss)
        points[1, 0] = np.nan
        value = loss.value(points)
        assert np.isnan(value[1]) and np.all(np.isfinite(value[[0, 2, 3]]))


@pytest.mark.parametrize(
    "make, args, message",
    [
        (make_separable_quartic, (0,), "n_params"),
        (make_orthogonal_tensor, ([1.0, -1.0],), "weights must be positive"),
        (make_orthogonal_tensor, ([1.0],), "weights must be a sequence of at least 2"),
        (make_orthogonal_tensor, ([1.0, 2.0], 2), "order"),
        (make_brockett_cost, ([1, 1, 2],), "eigenvalues must be all different"),
        (make_brockett_cost, (["a", "b"],), "eigenvalues must be a sequence of at le"),
        (make_brockett_cost, ([1, 2], [3, 2, 1]), "weights must be at most 2"),
        (make_quadratic_network, ([2, -1],), "eigenvalues must be positive"),
        (make_quadratic_network, ([2, 1], 3), "n_hidden must be at most"),
        (make_phase_retrieval, ([0, 0, 0],), "signal must not be zero"),
        (make_phase_retrieval, ([1, 0],), "signal must be a sequence of at least 3"),
        (make_central_configurations, (8,), "n_bodies"),
        (make_lennard_jones, (9,), "n_atoms"),
        (make_himmelblau, (), "backend"),
    ],
)
def test_bad_parameters(make, args, message):
    options = {"backend": "lapack"} if message == "backend" else {}
    with pytest.raises(ValueError, match=message):
        make(*args, **options)


def test_units_of_invariants_are_those_of_the_invariants():
    # Losses of twice the signal, or of four times the eigenvalues, at twice the points.
    for make, unit, args in [
        (make_phase_retrieval, 2.0, ([1.0, 2.0, 2.0],)),
        (make_quadratic_network, 4.0, ([3.0, 2.0, 1.0], 2)),
    ]:
        numbers = np.array(args[0])
        one, other = make(numbers, *args[1:]), make(unit * numbers, *args[1:])
        theta = np.random.default_rng(0).standard_normal(one.n_params_)
        ratio = other.invariants(2 * theta) / one.invariants(theta)
        np.testing.assert_allclose(ratio, 4.0)
        assert other.invariants_scale() == pytest.approx(4 * one.invariants_scale())
        assert other.length_scale() == pytest.approx(2 * one.length_scale())


def test_tilts():
    with pytest.raises(ValueError, match="tilt must be a number, or 2 of them"):
        make_separable_quartic(2, tilt=0.4)
    with pytest.raises(ValueError, match="tilt must be a number, or 2 of them"):
        make_separable_quartic(2, tilt=[0.1, 0.2, 0.3])
