"""The kind of every public parameter.

A parameter is looked up as "Owner.method.parameter", then "Owner.parameter", then by
its name alone. One that is in none of them fails a test: whoever adds a parameter says
here, or in _names.py, what it may be.
"""

import numpy as np

from skcrit import GradNormFinder, LinearAutoencoderLoss

from . import _kinds as kinds
from ._kinds import BAD, EITHER, OK
from ._names import BY_NAME, NONE
from ._objects import (
    FINDERS,
    LABELS,
    THETA,
    X,
    connected,
    curve,
    explorer,
    fitted,
    known,
    loss,
    penalised,
    spectrum,
)
from ._surface import public_callables

__all__ = ["RECORDS", "kind_of"]

# Results that the library makes and users read: their fields are kept as they come.
RECORDS = (
    "AnalyticalSpectrum",  # made by from_eigenvalues, from a validated problem
    "Connections",  # made by connections()
    "Connections.barriers",
    "Connections.concatenate",
    "Connections.edges",
    "Connections.empty",
    "Connections.merges",
    "Connections.minima",
    "Connections.replace",
    "Connections.take",
    "Connections.to_dict",
    "Connections.to_frame",
    "ConvergenceDisplay",
    "DisconnectivityDisplay",
    "GroundTruth",  # what a ground truth must have, not one
    "Agreement",
    "Judgement",
    "Summary",  # made by a fitted finder
    "Summary.rows",
    "Summary.to_dict",
    "Summary.to_frame",
    "LandscapeGraphDisplay",
    "LinearMatch",
    "LinearMatch.from_columns",
    "LinearNetworkSpectrum",  # made by a fitted loss
    "LocalModel",
    "LocalModel.concatenate",
    "LossIndexDisplay",
    "Match",
    "Match.from_columns",
    "Merge",
    "ParticipationDisplay",
    "ToleranceCurve",
    "ToleranceDisplay",
    "UniformityResult",
    "UnitDegeneracies",
)


# What a function itself raises comes through.
_FUNCTION = kinds.Kind(lambda value: BAD, skip=("none", "class"))

_BY_OWNER = {
    "BaseFinder.tol": kinds.real(0, closed="both"),
    "LandscapeExplorer.finder": kinds.nothing_but({
        "none": (OK, lambda: None),
        "a finder": (OK, lambda: GradNormFinder(minimizer="lm")),
    }),
    "SaddleDynamicsFinder.max_step": kinds.real(0, closed="neither"),
    "NewtonTrajectoryFinder.reach": kinds.real(0, closed="neither"),
    "NewtonTrajectoryFinder.max_step": kinds.real(0, closed="neither"),
    "NewtonTrajectoryFinder.n_points": kinds.integer(1),
    "NewtonTrajectoryFinder.deflate": kinds.boolean(),
    "NewtonMRFinder.sufficient_decrease": kinds.real(0, 1),
    "random_streams.kind": kinds.integer(0),
    "SpreadStarts.n_sizes": kinds.integer(1),
    "TrajectoryStarts.n_trajectories": kinds.integer(1),
    "clean_eigenvalues.eigenvalues": kinds.array([4.0, 2, 1], other_columns=OK),
    "check_loss.rtol": kinds.real(0, also=NONE),
    "check_gradient.rtol": kinds.real(0, also=NONE),
    "check_hvp.rtol": kinds.real(0, also=NONE),
    "make_gaussian_spectrum.n_samples": kinds.size(1),
    "make_gaussian_spectrum.eigenvalues": kinds.array(
        [4.0, 2.0, 1.0], other_columns=OK, also=NONE
    ),
    "TrajectoryStarts.learning_rate": kinds.real(
        0, 1e-3, closed="neither", above=EITHER
    ),
    "ConvergenceDisplay.from_estimator.finder": kinds.nothing_but({
        "a finder without history": (BAD, lambda: fitted())
    }),
    "LandscapeGraphDisplay.from_estimator.explorer": kinds.nothing_but({
        "an explorer": (OK, explorer)
    }),
    "ToleranceDisplay.from_curve.curve": kinds.nothing_but({"a curve": (OK, curve)}),
    "DisconnectivityDisplay.from_connections.connections": kinds.nothing_but({
        "connections": (OK, connected)
    }),
    "FunctionLoss.is_coercive": kinds.boolean()
    | kinds.only({"none": (OK, lambda: None)}),
    "GradientNormLoss.loss": kinds.nothing_but({
        "none": (OK, lambda: None),
        "a loss": (OK, lambda: LinearAutoencoderLoss()),
    }),
    "LinearNetworkLoss.predict.theta": kinds.array(THETA[0], nan=OK, also=NONE),
    "LinearNetworkLoss.sample_errors.theta": kinds.array(THETA, nan=OK, also=NONE),
    "LinearAutoencoderLoss.transform.theta": kinds.array(THETA, nan=OK, also=NONE),
    "AnalyticalSpectrum.all_sets.max_sets": kinds.integer(7),
    "KnownPoints.all_sets.max_sets": kinds.integer(3),
    "KnownPoints.to_dict.max_sets": kinds.integer(3),
    "KnownPoints.points": kinds.array(np.eye(3), other_columns=EITHER),
    "KnownPoints.loss": kinds.nothing_but({
        "none": (OK, lambda: None),
        "another loss": (BAD, loss),
    }),
    "KnownPoints.invariants": kinds.nothing_but({
        "none": (OK, lambda: None),
        "squares": (OK, lambda: lambda theta: theta**2),
        "of another shape": (BAD, lambda: lambda theta: theta[0]),
    }),
    "KnownPoints.names": kinds.nothing_but({
        "none": (OK, lambda: None),
        "texts": (OK, lambda: ["a", "b", "c"]),
        "two texts": (BAD, lambda: ["a", "b"]),
    }),
    "KnownPoints.radius": kinds.array([0.1, 0.2, 0.3], also=NONE)
    | kinds.only({"whole": (OK, lambda: 2), "number": (OK, lambda: 3.5)}),
    "KnownPoints.match.theta": kinds.array(np.eye(3), nan=OK, huge=OK).forgiving(
        "four more axes"
    ),
    "certify.theta": kinds.array(THETA, nan=OK, huge=OK),
    "euler_sum.finder": kinds.nothing_but({"of a coercive loss": (OK, penalised)}),
    "euler_sum.euler_characteristics": kinds.Kind(
        lambda value: (
            OK if value is None else BAD if isinstance(value, str | dict) else EITHER
        ),
        skip=("generator",),
    ),
    "FunctionLoss.hessian_lipschitz": _FUNCTION
    | kinds.only({
        "none": (OK, lambda: None),
        "a constant": (OK, lambda: lambda theta, radius: 1.0 + 0 * radius),
        "of another shape": (BAD, lambda: lambda theta, radius: theta),
    }),
    "FunctionLoss.evaluation_error": _FUNCTION
    | kinds.only({
        "none": (OK, lambda: None),
        "zeros": (OK, lambda: lambda theta: (0 * theta[..., 0],) * 3),
        "two arrays": (BAD, lambda: lambda theta: (0 * theta[..., 0],) * 2),
    }),
    "FunctionLoss.ground_truth": kinds.nothing_but({
        "none": (OK, lambda: None),
        "known points": (OK, known),
        "of other points": (BAD, spectrum),
    }),
    "AnalyticalSpectrum.index_sets.max_sets": kinds.integer(7, also=NONE),
    "LinearNetworkSpectrum.all_sets.max_sets": kinds.integer(7),
    "LinearNetworkSpectrum.index_sets.max_sets": kinds.integer(7, also=NONE),
}
for _name in ("losses", "morse_indices", "nullities", "to_dict"):
    _BY_OWNER[f"KnownPoints.{_name}.sets"] = kinds.only({
        "names": (OK, lambda: [0, 2, 1]),
        "one name": (EITHER, lambda: 1),
        "an unknown name": (BAD, lambda: [3]),
        "a text": (BAD, lambda: "first"),
        "fractions": (BAD, lambda: [0.5]),
        "lists": (BAD, lambda: [[0], [1]]),
    })
for _owner in ("FunctionLoss", "Loss"):
    _BY_OWNER[f"{_owner}.fit.X"] = kinds.ignored()
_BY_OWNER["LinearNetworkLoss.fit.y"] = kinds.array(
    X, other_columns=EITHER, also=NONE
).forgiving("no column")
_BY_OWNER["LinearNetworkLoss.sample_errors.y"] = kinds.array(X)
_LINEAR = ("LinearAutoencoderLoss", "LinearNetworkLoss")
for _owner in ("FunctionLoss", "Loss", "GradientNormLoss", *_LINEAR):
    _BY_OWNER[f"{_owner}.linear_operator.theta"] = kinds.array(THETA[0], nan=OK)
for _owner in FINDERS:
    _BY_OWNER[f"{_owner}.score.X"] = kinds.array(X, other_columns=BAD, also=NONE)
    _BY_OWNER[f"{_owner}.transform.X"] = kinds.array(X)
    _BY_OWNER[f"{_owner}.fit.X"] = kinds.array(X, other_columns=EITHER)
# Scorers take data as others do, and judge by the finder's own.
for _name in public_callables():
    if _name.endswith("_scorer"):
        _BY_OWNER[f"{_name}.X"] = kinds.ignored()
for _name in ("value", "gradient", "hvp"):
    _BY_OWNER[f"FunctionLoss.{_name}"] = kinds.nothing_but({})
_BY_OWNER["FunctionLoss.n_params"] = kinds.size(1)
_BY_OWNER |= {
    "as_loss.name": kinds.ignored(),  # a label for messages
    "fitted_loss.X": kinds.array(X, other_columns=EITHER)
    | kinds.only({"loss": (OK, loss)}),
    "fitted_loss.loss": kinds.nothing_but({"a loss": (OK, LinearAutoencoderLoss)}),
    "fitted_loss.y": kinds.ignored(),
    "make_starts.init": kinds.array(np.ones((2, 12)))
    | kinds.only({"number": (BAD, lambda: 3.5)}),
    "MLPLoss.fit.y": kinds.array(LABELS, also=NONE),
    # Two samples for five targets.
    "MLPLoss.fit.X": kinds.array(X, other_columns=EITHER).without("nested list"),
    "MLPLoss.from_estimator.X": kinds.array(X).without("nested list"),
    "MLPLoss.unit_degeneracies.rtol": kinds.real(0, 1),
    "MLPLoss.from_estimator.y": kinds.array(LABELS),
    "MLPLoss.transform.y": kinds.array(X, also=NONE),
    "MLPLoss.loss": kinds.option("squared_error", "log_loss").forgiving(
        "option log_loss"
    ),
    "MLPLoss.from_estimator.estimator": kinds.nothing_but({}),
    "MLPLoss.linear_operator.theta": kinds.array(THETA[0], nan=OK),
    "MLPLoss.to_estimator.theta": kinds.array(THETA[0], nan=EITHER),
    "MLPLoss.unit_degeneracies.theta": kinds.array(THETA[0]),
    "MLPLoss.transform.theta": kinds.array(THETA, nan=OK, huge=OK, also=NONE),
}


def kind_of(owner, parameter):
    """Look a parameter up.

    Parameters
    ----------
    owner : str
        Name of a public callable.
    parameter : str
        Name of its parameter.

    Returns
    -------
    kind : Kind or None
        What the parameter may be; None if it is not stated.
    """
    keys = (f"{owner}.{parameter}", f"{owner.split('.')[0]}.{parameter}")
    for key in keys:
        if key in _BY_OWNER:
            return _BY_OWNER[key]
    return BY_NAME.get(parameter)
