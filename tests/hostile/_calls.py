"""How every public callable is called, with arguments that are right.

``CALLS`` maps a name of the public surface to a function of keyword arguments; a test
replaces one of them. Estimators are fitted, because they check their parameters there.
"""

import inspect
import warnings
from functools import cache

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.neural_network import MLPRegressor

import skcrit
from skcrit import (
    AnalyticalSpectrum,
    FunctionLoss,
    GaussianStarts,
    GradientNormLoss,
    KnownPoints,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    LinearNetworkLoss,
    MLPLoss,
    NewtonMRFinder,
    TrajectoryStarts,
    inspection,
    metrics,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.ground_truth import clean_eigenvalues
from skcrit.losses import as_loss, fitted_loss
from skcrit.model_selection import tolerance_curve
from skcrit.starts import make_starts, random_streams
from skcrit.utils import testing

from ..finders._finders import PseudoInverseFinder
from ._objects import (
    FINDERS,
    LABELS,
    SMALL,
    THETA,
    X,
    connected,
    curve,
    explorer,
    fitted,
    known,
    linked,
    loss,
    network_spectrum,
    spectrum,
)
from ._surface import public_callables


def _value(theta):
    return np.sum(theta**4, axis=-1) / 4


def _gradient(theta):
    return theta**3


def _hvp(theta, v):
    return 3 * theta**2 * v


def _finder(cls):
    small = dict(SMALL)
    if cls is LandscapeExplorer:
        small |= {"max_searches": 4, "round_size": 2}
    return lambda **params: cls(**small | params).fit(X)


def _finder_method(cls, name):
    def call(**arguments):
        finder = cls(**SMALL) if name == "fit" else _fitted_as(cls)
        if name == "certify":
            return finder.certify(**arguments)
        data = {} if name == "set_params" else {"X": X}
        return getattr(finder, name)(**data | arguments)

    return call


@cache
def _fitted_as(cls):
    return _finder(cls)()


def _linear(**params):
    fitted = LinearAutoencoderLoss(**params).fit(X)
    return fitted.at(np.zeros((2, fitted.n_params_))).gradient


def _network(**params):
    fitted = LinearNetworkLoss(**params).fit(X, X[:, :2])
    return fitted.at(np.zeros((2, fitted.n_params_))).gradient


def _function_loss(**params):
    functions = {"value": _value, "gradient": _gradient, "n_params": 3}
    fitted = FunctionLoss(**functions | params).fit()
    points = np.ones((2, fitted.n_params_))
    if "n_params" not in params:  # what is declared is used
        fitted.invariants(points), fitted.representative(points)
        fitted.orbit_tangents(points), fitted.inside(points), fitted.length_scale()
    fitted.hessian_lipschitz(points, 0.1), fitted.evaluation_error(points)
    return fitted.value(points), fitted.gradient(points), fitted.hvp(points, points)


def _mlp(**params):
    fitted = MLPLoss(**{"hidden_layer_sizes": (1,)} | params).fit(X, LABELS)
    return fitted.at(np.zeros((2, fitted.n_params_))).gradient


@cache
def _estimator():
    """Return a network of three inputs, two hidden units and one output."""
    params = {"hidden_layer_sizes": (2,), "activation": "tanh", "alpha": 0.1}
    network = MLPRegressor(**params, max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one iteration does not converge
        return network.fit(X, LABELS)


@cache
def _losses():
    functions = FunctionLoss(_value, _gradient, _hvp, n_params=12).fit()
    return {
        "Loss": functions,
        "FunctionLoss": functions,
        "GradientNormLoss": GradientNormLoss().fit(loss()),
        "LinearAutoencoderLoss": loss(),
        "LinearNetworkLoss": LinearNetworkLoss((2,)).fit(X),
        # Two hidden units and their two intercepts, two outputs without any.
        "MLPLoss": MLPLoss((2,), fit_intercept=False, alpha=0.1).fit(X, X),
    }


def _loss_method(owner, name):
    new = {"LinearAutoencoderLoss": LinearAutoencoderLoss, "Loss": FunctionLoss}
    new |= {"GradientNormLoss": GradientNormLoss, "FunctionLoss": FunctionLoss}
    new |= {"LinearNetworkLoss": LinearNetworkLoss, "MLPLoss": MLPLoss}

    def call(**arguments):
        if name in ("fit", "set_params", "get_params"):
            args = (_value, _gradient, _hvp, 12) if new[owner] is FunctionLoss else ()
            needed = {"X": X} if name == "fit" else {}
            if owner == "MLPLoss" and name == "fit":
                needed |= {"y": LABELS}
            return getattr(new[owner](*args), name)(**needed | arguments)
        valid = {"theta": THETA, "v": THETA, "u": THETA}
        valid |= {"weights": loss().weights(THETA), "X": X, "y": X}
        valid |= {"array": THETA, "radius": np.ones(3)}
        valid |= {"streams": [np.random.default_rng(i) for i in range(2)]}
        valid |= {"coefs": [np.ones((3, 2)), np.ones((2, 3))]}
        valid |= {"estimator": _estimator()}
        one = ("linear_operator", "predict", "to_estimator", "unit_degeneracies")
        if name in one:
            valid["theta"] = THETA[0]
        if name == "from_estimator":
            valid["y"] = LABELS
        needed = {"hvp": ("theta", "v"), "third_derivative": ("theta", "u", "v")}
        needed |= {"pack": ("weights",), "transform": ("X",), "predict": ("X",)}
        needed |= {"length_scale": (), "sample_errors": ("X", "y")}
        needed |= {"analytical_spectrum": (), "ground_truth": (), "coordinates": ()}
        needed |= {"invariants_scale": (), "parameter_unit": ()}
        needed |= {"asarray": ("array",), "draw_starts": ("streams",)}
        needed |= {"hessian_lipschitz": ("theta", "radius"), "to_estimator": ("theta",)}
        needed |= {"from_estimator": ("estimator", "X", "y")}
        if owner == "MLPLoss":
            needed |= {"pack": ("coefs",)}
        needed |= {"enclose_invariants": ("theta", "radius")}
        names = needed.get(name, ("theta",))
        return getattr(_losses()[owner], name)(
            **{n: valid[n] for n in names} | arguments
        )

    return call


def _display(cls, name):
    subject = {"LandscapeGraphDisplay": ("explorer", explorer)}
    # It need not compute its connections for each value of another argument.
    subject["DisconnectivityDisplay"] = ("finder", linked)
    argument, make = subject.get(cls.__name__, ("finder", fitted))
    drawn = []

    def call(**arguments):
        matplotlib.use("Agg")
        if name == "from_curve":
            return cls.from_curve(**{"curve": curve()} | arguments)
        if name == "from_connections":
            return cls.from_connections(**{"connections": connected()} | arguments)
        valid = {argument: make()}
        if cls.__name__ == "ConvergenceDisplay":
            valid = {argument: _with_history()}
        if cls.__name__ == "ParticipationDisplay":
            valid |= {"n_resamples": 5}
        if cls.__name__ == "ToleranceDisplay":  # it fits the finder itself
            valid |= {"X": X, "tols": (1e-2, 1e-6), argument: NewtonMRFinder(**SMALL)}
        if name == "plot":
            if not drawn:  # what it shows is computed once
                drawn.append(cls.from_estimator(**valid))
            _, ax = plt.subplots(figsize=(3, 3))
            return drawn[0].plot(**{"ax": ax} | arguments)
        return cls.from_estimator(**valid | arguments)

    def closing(**arguments):
        try:
            return call(**arguments)
        finally:
            plt.close("all")

    return closing


@cache
def _with_history():
    return NewtonMRFinder(n_starts=3, store_history=True, random_state=0).fit(loss())


def _record(cls):
    """Make a record that only the library fills, with what it computes."""
    names = cls.__init__.__code__.co_varnames[1 : cls.__init__.__code__.co_argcount]
    return lambda **fields: cls(**dict.fromkeys(names) | fields)


def _takes(function, name):
    return name in inspect.signature(function).parameters


def _function(function, **valid):
    return lambda **arguments: function(**valid | arguments)


def _spectrum_method(name, spectrum=spectrum):
    valid = {
        "has_open_pivot": {"theta": THETA},
        "match": {"theta": THETA},
        "hessian_spectrum": {"index_set": (0,)},
        "index_interval": {"index_set": (0,), "eps": 1e-6},
        "representative": {"index_set": (0,)},
        "canonical_set": {"index_set": (0,)},
        "sample_sets": {"n": 2},
    }
    for method in ("losses", "index_fractions", "morse_indices", "mu_min"):
        valid[method] = {"sets": [(0,), ()]}
    for method in ("multiplicity_vectors", "nullities", "to_dict"):
        valid[method] = {"sets": [(0,), ()]}

    def call(**arguments):
        result = getattr(spectrum(), name)(**valid.get(name, {}) | arguments)
        return list(result) if name == "index_sets" else result

    return call


def _known_method(name):
    valid = {"match": {"theta": np.eye(3)}, "sample_sets": {"n": 2}}
    for method in ("losses", "morse_indices", "nullities"):
        valid[method] = {"sets": [0, 2]}
    return lambda **arguments: getattr(known(), name)(**valid.get(name, {}) | arguments)


def _starts(cls):
    few = {"n_steps": 3} if cls is TrajectoryStarts else {}
    return lambda **params: cls(**few | params).sample(loss(), 2, 0)


def _sample(cls):
    def call(**arguments):
        sampler = cls(n_steps=3) if cls is TrajectoryStarts else cls()
        return sampler.sample(**{"loss": loss(), "n_starts": 2} | arguments)

    return call


_FUNCTIONS = {
    "clean_eigenvalues": (clean_eigenvalues, {"eigenvalues": [4.0, 2.0, 1.0]}),
    "make_gaussian_spectrum": (make_gaussian_spectrum, {"n_samples": 20}),
    "tolerance_curve": (tolerance_curve, {"X": X, "tols": [1e-2]}),
    "as_loss": (as_loss, {}),
    "fitted_loss": (fitted_loss, {"X": X}),
    "make_starts": (make_starts, {"init": "gaussian", "n_starts": 2}),
    "random_streams": (random_streams, {"random_state": 0, "n_streams": 2}),
    "connections": (skcrit.connections, {"max_iter": 5}),
    "certify": (skcrit.certify, {"loss": loss(), "theta": THETA}),
    "check_loss": (testing.check_loss, {}),
    "check_gradient": (testing.check_gradient, {"theta": THETA}),
    "check_hvp": (testing.check_hvp, {"theta": THETA}),
    "uniformity_test": (metrics.uniformity_test, {"n_resamples": 5}),
    "participation_entropy_interval": (
        metrics.participation_entropy_interval,
        {"n_resamples": 5},
    ),
}
_COUNTS = ("chao1_richness", "good_turing_coverage")


def _calls():
    calls = {}
    for name, thing in public_callables().items():
        owner, _, method = name.partition(".")
        cls = getattr(skcrit, owner, None) or getattr(inspection, owner, None)
        if owner in FINDERS:
            cls = PseudoInverseFinder if owner == "BaseFinder" else cls
            calls[name] = _finder_method(cls, method) if method else _finder(cls)
        elif owner in _losses() and method:
            calls[name] = _loss_method(owner, method)
        elif owner.endswith("Display"):
            calls[name] = _display(cls, method) if method else _record(cls)
        elif owner.endswith("Starts"):
            calls[name] = _sample(cls) if method else _starts(cls)
        elif method and cls is AnalyticalSpectrum and method != "from_eigenvalues":
            calls[name] = _spectrum_method(method)
        elif owner == "LinearNetworkSpectrum" and method:
            calls[name] = _spectrum_method(method, network_spectrum)
        elif cls is KnownPoints:
            calls[name] = _known_method(method) if method else known
        elif name in _FUNCTIONS:
            function, valid = _FUNCTIONS[name]
            if name.startswith(("check", "as_loss", "make_starts")):
                valid = {"random_state": 0, "loss": loss()} | valid
                valid = {k: v for k, v in valid.items() if _takes(function, k)}
            elif name == "fitted_loss":
                valid = {"loss": LinearAutoencoderLoss(), **valid}
            elif {"X", "n_resamples", "max_iter"} & set(valid):
                valid = {"finder": fitted(), **valid}
            calls[name] = _function(function, **valid)
        elif name.startswith(_COUNTS):
            calls[name] = _function(thing, counts=[3, 1, 2, 1])
        elif name.startswith(("probe_coverage", "finder_agreement")):
            calls[name] = _function(thing, finder=fitted(), probe=fitted())
        elif name.endswith("_scorer"):
            calls[name] = _function(thing, estimator=fitted())
        elif hasattr(metrics, name) and not isinstance(thing, type):
            calls[name] = _function(thing, finder=fitted())
        elif isinstance(thing, type) and hasattr(thing, "__dataclass_fields__"):
            calls[name] = _record(thing)
    calls["LinearAutoencoderLoss"] = _linear
    calls["LinearNetworkLoss"] = _network
    calls["FunctionLoss"] = _function_loss
    calls["MLPLoss"] = _mlp
    calls["GradientNormLoss"] = lambda **params: GradientNormLoss(**params).fit(X)
    calls["AnalyticalSpectrum.from_eigenvalues"] = _function(
        AnalyticalSpectrum.from_eigenvalues,
        eigenvalues=[4.0, 2.0, 1.0],
        hidden_layer_sizes=(2,),
    )
    calls["LocalModel.hvp"] = lambda v: loss().at(THETA).hvp(v)
    calls["GaussianStarts"] = _starts(GaussianStarts)
    return calls


CALLS = _calls()
