"""Functions of one's own, in any unit: what finders reach with their defaults."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import rosen, rosen_der

from skcrit import (
    FunctionLoss,
    GradNormFinder,
    LandscapeExplorer,
    NewtonMRFinder,
    NewtonTRFinder,
    SaddleDynamicsFinder,
)

from ._finders import ignore_failures
from ._own_functions import NAMES, own_function

FINDERS = [GradNormFinder, NewtonMRFinder, NewtonTRFinder, SaddleDynamicsFinder]
PLANE = [name for name in NAMES if "atoms" not in name]


@ignore_failures
@pytest.mark.parametrize("Finder", FINDERS)
@pytest.mark.parametrize("name", PLANE)
@pytest.mark.parametrize(
    "factor, unit", [(1.0, 1.0), (1e-6, 1e6), (1e6, 1e-6), (1.0, (0.01, 1e4))], ids=str
)
def test_all_critical_points_of_the_plane(name, factor, unit, Finder):
    function = own_function(name, factor, unit)
    finder = Finder(n_starts=150, random_state=0).fit(function.loss)
    n_found, n_false = function.tally(finder.final_params_[finder.converged_])
    assert n_found >= 2 / 3 * len(function.known)
    assert n_false == 0


@ignore_failures
@pytest.mark.parametrize("Finder", FINDERS)
def test_clusters_of_atoms_and_nothing_that_falls_apart(Finder):
    function = own_function("4 atoms", 1e6, 1e-6)
    finder = Finder(n_starts=100, random_state=0).fit(function.loss)
    n_found, n_false = function.tally(finder.final_params_[finder.converged_])
    assert n_found >= 2 / 3 * len(function.known)
    assert n_false == 0


@ignore_failures
def test_all_points_of_a_valley():
    # SciPy's function: two minima and a saddle, far along a valley from the origin.
    loss = FunctionLoss(
        lambda t: rosen(np.moveaxis(t, -1, 0)),
        lambda t: np.moveaxis(rosen_der(np.moveaxis(t, -1, 0)), 0, -1),
        n_params=4,
    )
    explorer = LandscapeExplorer(loss, random_state=0).fit()
    assert explorer.morse_indices_.tolist() == [0, 0, 1]
    assert_allclose(explorer.critical_points_[0], 1.0, atol=1e-7)
    gradients = loss.fit().gradient(explorer.critical_points_)
    assert np.max(np.abs(gradients)) < 1e-8
