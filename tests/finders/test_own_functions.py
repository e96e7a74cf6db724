"""Functions of one's own, in any unit: what finders reach with their defaults."""

import pytest

from skcrit import GradNormFinder, NewtonMRFinder, NewtonTRFinder, SaddleDynamicsFinder

from ._own_functions import NAMES, own_function

FINDERS = [GradNormFinder, NewtonMRFinder, NewtonTRFinder, SaddleDynamicsFinder]
PLANE = [name for name in NAMES if "atoms" not in name]

ignore_failures = pytest.mark.filterwarnings("ignore::skcrit.NotConvergedWarning")


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
