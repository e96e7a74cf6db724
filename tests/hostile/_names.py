"""What parameters of a name are, whoever has them."""

import numpy as np

from skcrit.losses._activations import ACTIVATIONS

from . import _kinds as kinds
from ._kinds import BAD, EITHER, OK
from ._objects import THETA, X, fitted, known, loss, spectrum

__all__ = ["BY_NAME", "NONE"]

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
NONE = (None,)
# Any leading axes will do, and a point may be lost.
_POINTS = kinds.array(THETA, nan=OK, huge=OK).forgiving("four more axes")

BY_NAME = {
    # Finders
    "loss": _LOSS,
    "n_starts": kinds.size(1),
    "init": kinds.array(np.ones((2, 12))) | kinds.only({"number": (BAD, lambda: 3.5)}),
    "tol": kinds.real(0, closed="both"),
    "max_iter": kinds.integer(0),
    "batch_size": kinds.integer(1, also=NONE),
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
    "max_step": kinds.real(0, closed="neither", also=NONE),
    "inner_tol": kinds.real(0, 1, also=("adaptive",)),
    "max_inner_iter": kinds.integer(1),
    "regularization": _NUMBER,
    "balance": kinds.boolean(),
    "connect": kinds.boolean(),
    "fallback": kinds.boolean(),
    "skip_symmetries": kinds.boolean(),
    "nesterovs_momentum": kinds.boolean(),
    "precondition": kinds.boolean(),
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
    "floor": kinds.real(0, 1, closed="neither"),
    "eigensolver": kinds.option("auto", "dense", "lobpcg"),
    "finder": _FINDER,
    "probe": _FINDER,
    "max_searches": kinds.integer(2, skip=kinds._HUGE),
    "coverage": kinds.real(0, 1, closed="both", also=NONE),
    "displacement": kinds.array([1.0, 2.0], huge=EITHER),
    "noise": _NUMBER,
    "round_size": kinds.integer(1),
    "max_directions": kinds.integer(1, also=NONE),
    "max_index": kinds.integer(0, also=NONE),
    "n_passes": kinds.integer(1),
    # Losses
    "hidden_layer_sizes": _sizes(),
    "alpha": _NUMBER,
    "penalty": kinds.option("sum", "product"),
    "center": kinds.boolean(),
    "backend": kinds.option("numpy", "array_api_strict"),
    "dtype": kinds.option("float64", "float32"),
    "zero_rtol": kinds.real(0, 1, also=NONE),
    "tie_rtol": kinds.real(0, 1),
    # Any numbers will do, of any shape.
    "array": kinds.array(THETA, nan=OK, huge=OK, other_columns=OK).forgiving(
        "four more axes", "no column", "number"
    ),
    "streams": kinds.streams(),
    "bounds": kinds.bounds(),
    "length": kinds.array([1.0, 2.0, 3.0], also=NONE)
    | kinds.only({
        "number": (OK, lambda: 3.5),
        "zero": (BAD, lambda: 0.0),
        "minus one": (BAD, lambda: -1),
        "one zero": (BAD, lambda: [1.0, 0.0, 1.0]),
    }),
    "symmetries": kinds.Kind(
        lambda v: (
            EITHER if callable(v) else kinds.integer(0, also=NONE).cases["zero"][0](v)
        ),
        skip=("class",),
        own={
            "tangents": (OK, lambda: lambda theta: np.ones((2, 1, 3))),
            "of another shape": (BAD, lambda: lambda theta: np.ones((2, 3))),
        },
    ),
    "invariants": kinds.function({
        "squares": (OK, lambda: lambda theta: theta**2),
        "of another shape": (BAD, lambda: lambda theta: theta[0]),
        "of nothing": (BAD, lambda: lambda theta: None),
    }),
    "representative": kinds.function({
        "moduli": (OK, lambda: abs),
        "of another shape": (BAD, lambda: lambda theta: theta[..., :2]),
        "of texts": (BAD, lambda: lambda theta: "somewhere"),
    }),
    "activation": kinds.option(*sorted(set(ACTIVATIONS) - {"relu"})),
    "fit_intercept": kinds.boolean(),
    "penalize_intercept": kinds.boolean(),
    "reach": kinds.real(0),
    "radius": kinds.array(np.array([0.5, 1.0, 2.0])).forgiving("number")
    | kinds.only({"negative": (BAD, lambda: -1.0), "zero": (OK, lambda: 0.0)}),
    "coefs": kinds.Kind(lambda value: BAD, skip=("generator",)),
    "intercepts": kinds.Kind(
        lambda value: OK if value is None else BAD, skip=("generator",)
    ),
    "theta": _POINTS,
    "u": _POINTS,
    "v": _POINTS,
    "weights": kinds.Kind(lambda value: BAD, skip=("generator",)),
    "X": kinds.array(X, other_columns=EITHER),
    "y": kinds.ignored(),
    "deep": kinds.ignored(),
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
    "eigenvectors": kinds.array(np.eye(3), also=NONE),
    "n_samples": kinds.integer(1, also=NONE),
    "index_set": _sets(_ONE_SET),
    "sets": _sets(_SETS),
    "max_sets": kinds.integer(0),
    "n": kinds.size(0),
    "eps": kinds.real(0, closed="both"),
    "rtol": kinds.real(0),
    "pivot_rtol": kinds.real(0),
    "grad_norm": kinds.array([0.1, 0.0, 2.0], also=NONE).forgiving(
        "number", "one infinity"
    ),
    "truth": kinds.nothing_but({
        "none": (OK, lambda: None),
        "a spectrum": (OK, spectrum),
        "of other points": (BAD, lambda: known()),
    }),
    "morse_indices": kinds.array([0.0, 1.0, 2.0], also=NONE),
    "losses": kinds.array([0.0, 1.0, 2.0], huge=OK),
    "nullities": kinds.array([0.0, 1.0, 0.0], also=NONE),
    "listed_indices": kinds.array([0.0, 1.0], also=NONE, other_columns=OK),
    "resolution": kinds.real(0, closed="both", also=NONE),
    # Metrics
    "estimator": _FINDER,
    "counts": kinds.array([3, 1, 2.0, 1], other_columns=OK).forgiving("no column"),
    "confidence_level": kinds.real(0, 1, closed="neither"),
    "n_resamples": kinds.size(1),
    "bias_correction": kinds.option("miller-madow", "jackknife", also=NONE),
    # Labels of any kind that can be sorted.
    "groups": kinds.array(np.arange(8.0) // 2, also=NONE, nan=EITHER).forgiving(
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
    "points": kinds.array(THETA, also=NONE),
}
BY_NAME |= dict.fromkeys(
    ("line_kw", "bar_kw", "node_kw", "edge_kw", "point_kw", "analytical_kw"), _KW
)
