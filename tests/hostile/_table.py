"""The kind of every public parameter.

A parameter is looked up as "Owner.method.parameter", then "Owner.parameter", then by
its name alone. One that is in none of them fails a test: whoever adds a parameter says
here what it may be.
"""

import numpy as np

from skcrit import GradNormFinder, LinearAutoencoderLoss

from . import _kinds as kinds
from ._calls import FINDERS, THETA, X, curve, explorer, fitted, known, loss, spectrum
from ._kinds import BAD, EITHER, OK
from ._surface import public_callables

__all__ = ["RECORDS", "kind_of"]

# Results that the library makes and users read: their fields are kept as they come.
RECORDS = (
    "AnalyticalSpectrum",  # made by from_eigenvalues, from a validated problem
    "ConvergenceDisplay",
    "GroundTruth",  # what a ground truth must have, not one
    "Judgement",
    "LandscapeGraphDisplay",
    "LinearMatch",
    "LinearMatch.from_columns",
    "LinearNetworkSpectrum",  # made by a fitted loss
    "LocalModel",
    "LossIndexDisplay",
    "Match",
    "Match.from_columns",
    "ParticipationDisplay",
    "ToleranceCurve",
    "ToleranceDisplay",
    "UniformityResult",
)

_OBJECT = {"the object that it is for": (OK, lambda: fitted())}
_FINDER = kinds.nothing_but({"a fitted finder": (OK, lambda: fitted())})
_LOSS = kinds.nothing_but({"a loss": (OK, loss), "none": (EITHER, lambda: None)})
_SETS = {
    "a list of sets": (OK, lambda: [(0, 1), (2,)]),
    "a mask": (OK, lambda: np.eye(3, dtype=bool)),
    "an index too large": (BAD, lambda: [(7,)]),
    "a negative index": (BAD, lambda: [(-1,)]),
    "an index twice": (BAD, lambda: [(1, 1)]),
    "too many indices": (BAD, lambda: [(0, 1, 2)]),
    "a huge index": (BAD, lambda: [(10**400,)]),
    "a float": (BAD, lambda: [(1.0,)]),
    "a mask of the wrong shape": (BAD, lambda: np.ones((1, 5), dtype=bool)),
}
_ONE_SET = {
    "a set": (OK, lambda: (0,)),
    "two sets": (EITHER, lambda: [(0,), (1,)]),
    "an index too large": (BAD, lambda: (7,)),
    "a huge index": (BAD, lambda: (10**400,)),
    "a float": (BAD, lambda: (0.5,)),
}
# Lists of nothing are no sets, and a list of ints is not clear.
_CLEAR = ("list of nothing", "tuple of nothing", "dict", "list of one int")
_CLEAR += ("array of nothing", "array of no columns")
_VAGUE = {name: EITHER for name in (*_CLEAR, "range", "set")}


def _sets(own):
    from ._values import SCALARS, THINGS

    verdicts = {**SCALARS, **THINGS}
    cases = {
        name: (_VAGUE.get(name, BAD), make)
        for name, make in verdicts.items()
        if name not in ("generator", "none", "empty text")
    }
    return kinds.only(cases | own)


def _sizes():
    def verdict(value):
        if isinstance(value, bool | np.bool_):
            return EITHER
        if isinstance(value, int | np.integer) and value > 0:
            return OK
        odd = isinstance(value, np.ndarray | range)
        return EITHER if odd or (isinstance(value, list) and value == [2]) else BAD

    return kinds.Kind(verdict, skip=("generator", *kinds._HUGE))


_NUMBER = kinds.real(0)
# What is inside is Matplotlib's to judge.
_KW = kinds.Kind(lambda value: OK if value is None else BAD, skip=("dict",))
_NONE = (None,)
# Any leading axes will do, and a point may be lost.
_POINTS = kinds.array(THETA, nan=OK, huge=OK).forgiving("four more axes")

_BY_NAME = {
    # Finders
    "loss": _LOSS,
    "n_starts": kinds.size(1),
    "init": kinds.array(np.ones((2, 12))) | kinds.only({"number": (BAD, lambda: 3.5)}),
    "tol": kinds.real(0, closed="both"),
    "max_iter": kinds.integer(0),
    "batch_size": kinds.integer(1, also=_NONE),
    "n_jobs": kinds.Kind(
        lambda v: EITHER if isinstance(v, int | np.integer) or v is None else BAD,
        skip=(*kinds._HUGE, "int8", "two"),
    ),
    "memory": kinds.Kind(
        lambda v: OK if v is None else EITHER if hasattr(v, "__fspath__") else BAD,
        skip=("text", "empty text", "text of a number"),
    ),
    "store_history": kinds.boolean().forgiving("list of nothing", "tuple of nothing"),
    "random_state": kinds.seed(),
    "verbose": kinds.Kind(
        lambda v: OK if isinstance(v, bool) else kinds.integer(0).cases["zero"][0](v)
    ),
    "max_step": kinds.real(0, closed="neither", also=_NONE),
    "inner_tol": kinds.real(0, 1),
    "max_inner_iter": kinds.integer(1),
    "regularization": _NUMBER,
    "balance": kinds.boolean(),
    "window": kinds.integer(1),
    "step_size": kinds.real(0, closed="neither"),
    "sufficient_decrease": kinds.real(0, 1, closed="neither"),
    "backtrack": kinds.real(0, 1, closed="neither"),
    "max_backtracks": kinds.integer(0),
    "gammas": kinds.array([0.1, 1.0], other_columns=OK),
    "linear_solver": kinds.option("auto", "dense", "krylov"),
    "minimizer": kinds.option("gd", "momentum", "btls", "l-bfgs", "lm"),
    # Long steps leave the finite numbers, and are refused then.
    "learning_rate": kinds.real(0, 0.9, closed="neither", above=EITHER),
    "momentum": kinds.real(0, 1),
    "memory_size": kinds.size(1),
    "damping": kinds.real(0, closed="neither"),
    "curvature": kinds.real(0, 1, closed="neither", skip=("smallest float",)),
    "max_trials": kinds.integer(1),
    "index": kinds.array([0, 1.0], other_columns=BAD)
    | kinds.only({"whole": (OK, lambda: 2), "number": (BAD, lambda: 3.5)}),
    "reach": kinds.real(0, closed="neither"),
    "floor": kinds.real(0, 1, closed="neither"),
    "eigensolver": kinds.option("auto", "dense", "lobpcg"),
    "finder": _FINDER,
    "probe": _FINDER,
    "max_searches": kinds.integer(2, skip=kinds._HUGE),
    "coverage": kinds.real(0, 1, closed="both", also=_NONE),
    "displacement": kinds.array([1.0, 2.0], huge=EITHER),
    "noise": _NUMBER,
    "round_size": kinds.integer(1),
    "max_directions": kinds.integer(1, also=_NONE),
    "n_passes": kinds.integer(1),
    # Losses
    "hidden_layer_sizes": _sizes(),
    "alpha": _NUMBER,
    "penalty": kinds.option("sum", "product"),
    "center": kinds.boolean(),
    "backend": kinds.option("numpy", "array_api_strict"),
    "dtype": kinds.option("float64", "float32"),
    "zero_rtol": kinds.real(0, 1, also=_NONE),
    "tie_rtol": kinds.real(0, 1),
    "theta": _POINTS,
    "u": _POINTS,
    "v": _POINTS,
    "weights": kinds.Kind(lambda value: BAD, skip=("generator",)),
    "X": kinds.array(X, other_columns=EITHER),
    "y": kinds.anything(),
    "deep": kinds.anything(),
    "params": kinds.nothing_but({}),
    # Starts
    "by": kinds.option("height", "iteration"),
    "n_trajectories": kinds.integer(1),
    "n_steps": kinds.size(1),
    "noise_variance": _NUMBER,
    "scale": kinds.real(0),
    "n_streams": kinds.size(0),
    "kind": kinds.option("balanced", "open"),
    # Ground truth
    "eigenvalues": kinds.array([4.0, 2.0, 1.0], other_columns=OK),
    "eigenvectors": kinds.array(np.eye(3), also=_NONE),
    "n_samples": kinds.integer(1, also=_NONE),
    "index_set": _sets(_ONE_SET),
    "sets": _sets(_SETS),
    "max_sets": kinds.integer(0),
    "n": kinds.size(0),
    "eps": kinds.real(0, closed="both"),
    "rtol": kinds.real(0),
    "pivot_rtol": kinds.real(0),
    "grad_norm": kinds.array([0.1, 0.0, 2.0], also=_NONE).forgiving(
        "number", "one infinity"
    ),
    "truth": kinds.nothing_but({
        "none": (OK, lambda: None),
        "a spectrum": (OK, spectrum),
        "of other points": (BAD, lambda: known()),
    }),
    "morse_indices": kinds.array([0.0, 1.0, 2.0], also=_NONE),
    "losses": kinds.array([0.0, 1.0, 2.0], huge=OK),
    "nullities": kinds.array([0.0, 1.0, 0.0], also=_NONE),
    "resolution": kinds.real(0, closed="both", also=_NONE),
    # Metrics
    "estimator": _FINDER,
    "counts": kinds.array([3, 1, 2.0, 1], other_columns=OK).forgiving("no column"),
    "confidence_level": kinds.real(0, 1, closed="neither"),
    "n_resamples": kinds.size(1),
    "bias_correction": kinds.option("miller-madow", "jackknife", also=_NONE),
    # Labels of any kind that can be sorted.
    "groups": kinds.array(np.arange(8.0) // 2, also=_NONE, nan=EITHER).forgiving(
        "complex", "dates", "one huge int", "text", "one text"
    ),
    "digits": kinds.integer(0, skip=kinds._HUGE),
    "output_dict": kinds.boolean(),
    "over": kinds.option("sets", "indices"),
    # Data, model selection, figures
    "rotate": kinds.boolean(),
    "exact": kinds.boolean(),
    "tols": kinds.array([1e-2, 1e-6], other_columns=OK, nan=EITHER).forgiving("set"),
    "ax": kinds.nothing_but({"none": (OK, lambda: None)}),
    "scores": kinds.only({
        "a word": (OK, lambda: "accuracy"),
        "words": (OK, lambda: ["accuracy", "precision"]),
        "an unknown word": (BAD, lambda: ["beauty"]),
        "no words": (BAD, lambda: []),
        "a number": (BAD, lambda: 3),
        "nothing": (BAD, lambda: None),
        "numbers": (BAD, lambda: [1, 2]),
        "lists": (BAD, lambda: [["accuracy"]]),
        "a dict": (BAD, lambda: {"a": 1}),
    }),
    "names": kinds.Kind(lambda value: OK if value is None else BAD),
    "detrend": kinds.boolean(),
    "max_labels": kinds.integer(0),
    "n_points": kinds.size(2),
    "points": kinds.array(THETA, also=_NONE),
}
_BY_NAME |= dict.fromkeys(
    ("line_kw", "bar_kw", "node_kw", "edge_kw", "point_kw", "analytical_kw"), _KW
)

_BY_OWNER = {
    "BaseFinder.tol": kinds.real(0, closed="both"),
    "LandscapeExplorer.finder": kinds.nothing_but({
        "none": (OK, lambda: None),
        "a finder": (OK, lambda: GradNormFinder(minimizer="lm")),
    }),
    "SaddleDynamicsFinder.max_step": kinds.real(0, closed="neither"),
    "NewtonTrajectoryFinder.max_step": kinds.real(0, closed="neither"),
    "NewtonTrajectoryFinder.n_points": kinds.integer(1),
    "NewtonMRFinder.sufficient_decrease": kinds.real(0, 1),
    "random_streams.kind": kinds.integer(0),
    "TrajectoryStarts.n_trajectories": kinds.integer(1),
    "clean_eigenvalues.eigenvalues": kinds.array([4.0, 2, 1], other_columns=OK),
    "check_loss.rtol": kinds.real(0, also=_NONE),
    "check_gradient.rtol": kinds.real(0, also=_NONE),
    "check_hvp.rtol": kinds.real(0, also=_NONE),
    "make_gaussian_spectrum.n_samples": kinds.size(1),
    "make_gaussian_spectrum.eigenvalues": kinds.array(
        [4.0, 2.0, 1.0], other_columns=OK, also=_NONE
    ),
    "TrajectoryStarts.learning_rate": kinds.real(
        0, 1e-3, closed="neither", above=EITHER
    ),
    "ConvergenceDisplay.from_estimator.finder": kinds.nothing_but({
        "a finder without history": (BAD, lambda: fitted()),
    }),
    "LandscapeGraphDisplay.from_estimator.explorer": kinds.nothing_but({
        "an explorer": (OK, explorer)
    }),
    "ToleranceDisplay.from_curve.curve": kinds.nothing_but({"a curve": (OK, curve)}),
    "GradientNormLoss.loss": kinds.nothing_but({
        "none": (OK, lambda: None),
        "a loss": (OK, lambda: LinearAutoencoderLoss()),
    }),
    "LinearNetworkLoss.predict.theta": kinds.array(THETA[0], nan=OK, also=_NONE),
    "LinearNetworkLoss.sample_errors.theta": kinds.array(THETA, nan=OK, also=_NONE),
    "LinearAutoencoderLoss.transform.theta": kinds.array(THETA, nan=OK, also=_NONE),
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
    "KnownPoints.radius": kinds.array([0.1, 0.2, 0.3], also=_NONE)
    | kinds.only({
        "whole": (OK, lambda: 2),
        "number": (OK, lambda: 3.5),
    }),
    "KnownPoints.match.theta": kinds.array(np.eye(3), nan=OK, huge=OK).forgiving(
        "four more axes"
    ),
    "FunctionLoss.ground_truth": kinds.nothing_but({
        "none": (OK, lambda: None),
        "known points": (OK, known),
        "of other points": (BAD, spectrum),
    }),
    "AnalyticalSpectrum.index_sets.max_sets": kinds.integer(7, also=_NONE),
    "LinearNetworkSpectrum.all_sets.max_sets": kinds.integer(7),
    "LinearNetworkSpectrum.index_sets.max_sets": kinds.integer(7, also=_NONE),
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
    _BY_OWNER[f"{_owner}.fit.X"] = kinds.anything()
_BY_OWNER["LinearNetworkLoss.fit.y"] = kinds.array(
    X, other_columns=EITHER, also=_NONE
).forgiving("no column")
_BY_OWNER["LinearNetworkLoss.sample_errors.y"] = kinds.array(X)
_LINEAR = ("LinearAutoencoderLoss", "LinearNetworkLoss")
for _owner in ("FunctionLoss", "Loss", "GradientNormLoss", *_LINEAR):
    _BY_OWNER[f"{_owner}.linear_operator.theta"] = kinds.array(THETA[0], nan=OK)
for _owner in FINDERS:
    _BY_OWNER[f"{_owner}.score.X"] = kinds.array(X, other_columns=BAD, also=_NONE)
    _BY_OWNER[f"{_owner}.transform.X"] = kinds.array(X)
    _BY_OWNER[f"{_owner}.fit.X"] = kinds.array(X, other_columns=EITHER)
# Scorers take data as others do, and judge by the finder's own.
for _name in public_callables():
    if _name.endswith("_scorer"):
        _BY_OWNER[f"{_name}.X"] = kinds.anything()
for _name in ("value", "gradient", "hvp"):
    _BY_OWNER[f"FunctionLoss.{_name}"] = kinds.nothing_but({})
_BY_OWNER["FunctionLoss.n_params"] = kinds.size(1)


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
        What the parameter may be; None where nobody has said.
    """
    if owner in RECORDS or owner.startswith("GroundTruth."):
        return kinds.anything()
    keys = (f"{owner}.{parameter}", f"{owner.split('.')[0]}.{parameter}")
    for key in keys:
        if key in _BY_OWNER:
            return _BY_OWNER[key]
    return _BY_NAME.get(parameter)
