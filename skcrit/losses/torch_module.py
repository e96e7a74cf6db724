"""A PyTorch module and its criterion as a loss."""

from __future__ import annotations

import copy
from collections.abc import Callable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.metaestimators import available_if

from skcrit._typing import Array, ArrayLike, FloatArray
from skcrit.losses._declared import DECLARATIONS, DeclaredLoss
from skcrit.losses._torch_inputs import (
    check_data,
    check_module,
    has_reduction,
    target_candidates,
)
from skcrit.losses._torch_model import TorchModel
from skcrit.losses._torch_modules import ConvertsModules
from skcrit.losses._torch_network import TorchNetwork
from skcrit.losses._torch_probe import probe
from skcrit.losses._torch_state import as_array, evaluation, freeze, import_torch, thaw
from skcrit.losses.base import ModelledLoss
from skcrit.losses.local_model import LocalModel
from skcrit.utils._validation import Interval, StrOptions, check_params

if TYPE_CHECKING:
    import torch

    from skcrit.ground_truth.base import GroundTruth


class TorchLoss(ConvertsModules, ModelledLoss, DeclaredLoss):
    r"""The criterion of a PyTorch module on data, as a function of its parameters.

    The loss is ``criterion(module(X), y)`` plus ``alpha`` times the squared Euclidean
    norm of all parameters, biases included:

    .. math:: L(\theta) = \ell(f_\theta(X), y) + \alpha \|\theta\|^2.

    Weight decay ``w`` of ``torch.optim.SGD`` is ``alpha = w / 2``.

    Parameters
    ----------
    module : torch.nn.Module
        Network, called with all samples at once. Parameters with
        ``requires_grad=False``, and buffers, are constants. Layers that are random or
        change while they are trained, such as Dropout and BatchNorm, must be in
        evaluation mode. The module itself is never evaluated or changed: the loss works
        on a copy.
    criterion : callable
        ``criterion(output, target)`` returns one number, such as
        ``torch.nn.MSELoss()`` or ``torch.nn.functional.cross_entropy``.
    alpha : float, default=0.0
        Weight of the squared norm of the parameters.
    device : str, default="cpu"
        Where PyTorch computes. Points and results are NumPy arrays everywhere.
    dtype : {"float64", "float32"}, default="float64"
        Floating type of parameters, constants and data, whatever that of the module is.
    chunk_size : int, default=None
        Largest number of rows that are evaluated together, rounded down to a multiple
        of 32; less than 32 evaluates one row after another. None bounds the memory: on
        the CPU the graphs of a chunk keep about 4 MiB, and rows of more than 256 KiB
        stand alone.
    bounds, length, symmetries, invariants, representative, ground_truth : default=None
        Known properties of the loss, see :class:`FunctionLoss`. Without a ``length``,
        that of a weight is one over the root of the number of inputs of its unit, and
        that of a bias is the one of the block before it, so that random starts are
        those of usual initialisations.
    is_coercive : bool, default=None
        Whether the loss tends to infinity in every direction, see
        :class:`FunctionLoss`.

    Attributes
    ----------
    n_params_ : int
        Length of ``theta``, which contains all entries of parameters with
        ``requires_grad=True``, in the order of ``module.parameters()``; shared
        parameters only once.
    n_features_in_ : int
        Number of columns of ``X``; only if ``X`` has two axes.
    names_ : list of str
        Name of each block of ``theta``.
    shapes_ : list of tuple of int
        Shape of each block.
    chunk_size_ : int
        Number of rows that are evaluated together: 1, or a multiple of 32.

    See Also
    --------
    FunctionLoss : A loss made of Python functions.

    Notes
    -----
    Values, gradients and products come from one graph, built by
    ``torch.func.functional_call`` under ``torch.func.vmap``: a product is one sweep
    back through the graph of the gradient, and all products at the same points share
    that graph (:meth:`at`). A module that ``vmap`` cannot evaluate, such as an LSTM,
    has ``chunk_size_`` 1.

    Results for a row do not depend on the other rows, on the CPU not even in the last
    bit: evaluation runs in one thread, and batches are filled up to multiples of 16
    rows (32 in single precision). With and without ``vmap`` the last bits can
    differ.

    To run in several processes, criterion and module must be picklable: their classes
    must be defined in a module, without lambdas and parametrizations
    (``torch.nn.utils.parametrizations``). They are pickled as arrays, so that
    ``memory`` recognises them in another process.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skcrit.losses import TorchLoss
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(
    ...     torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)
    ... )
    >>> X = np.random.default_rng(0).normal(size=(20, 2))
    >>> loss = TorchLoss(network, torch.nn.MSELoss(), alpha=0.01).fit(X, X[:, :1])
    >>> loss.n_params_, loss.names_
    (13, ['0.weight', '0.bias', '2.weight', '2.bias'])
    >>> theta = loss.theta_of(network)
    >>> loss.hessian(theta).shape
    (13, 13)
    """

    _parameter_constraints = {
        "module": "no_validation",  # what it is can be said with PyTorch only
        "criterion": [callable],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "device": [str],
        "dtype": [StrOptions({"float64", "float32"})],
        "chunk_size": [Interval(Integral, 1, None, closed="left"), None],
        **DECLARATIONS,
    }

    dtype: str

    def __init__(
        self,
        module: torch.nn.Module,
        criterion: Callable[..., Any],
        *,
        alpha: float = 0.0,
        device: str = "cpu",
        dtype: str = "float64",
        chunk_size: int | None = None,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        length: float | ArrayLike | None = None,
        symmetries: int | Callable[..., Any] | None = None,
        invariants: Callable[..., Any] | None = None,
        representative: Callable[..., Any] | None = None,
        ground_truth: GroundTruth | None = None,
        is_coercive: bool | None = None,
    ) -> None:
        self.module = module
        self.criterion = criterion
        self.alpha = alpha
        self.device = device
        self.dtype = dtype
        self.chunk_size = chunk_size
        self._given = {
            "bounds": bounds,
            "length": length,
            "symmetries": symmetries,
            "invariants": invariants,
            "representative": representative,
            "ground_truth": ground_truth,
            "is_coercive": is_coercive,
        }

    def __getstate__(self) -> Any:
        state = super().__getstate__()
        return state | {name: freeze(state[name]) for name in ("module", "criterion")}

    def __setstate__(self, state: Any) -> None:
        thawed = {name: thaw(state[name]) for name in ("module", "criterion")}
        super().__setstate__(state | thawed)

    def fit(self, X: ArrayLike | None = None, y: ArrayLike | None = None) -> Self:  # type: ignore[override]
        """Copy the module and the data, and evaluate them once.

        Parameters
        ----------
        X : array-like or tensor of shape (n_samples, ...)
            Data, as the module takes them. Numbers become floats of ``dtype``; only a
            tensor of integers stays one, for modules that begin with an embedding.
        y : array-like or tensor of shape (n_samples, ...), default=None
            Targets, as the criterion takes them. Numbers become floats of ``dtype``, or
            class labels of type int64 if the criterion does not accept floats. None
            is ``X``: the module is an autoencoder.

        Returns
        -------
        self : TorchLoss
            The fitted loss.

        Raises
        ------
        ImportError
            If PyTorch is not installed.
        ValueError
            If a parameter is out of range; if ``X`` or ``y`` is not finite, has no
            samples, or their numbers differ; if ``module`` is not a module, has no
            parameter to train or a layer that must be in evaluation mode, cannot be
            evaluated on ``X``, or is random or changes itself all the same; if
            ``criterion`` does not accept the targets or does not return one number; or
            if second derivatives are missing.

        Warns
        -----
        UserWarning
            If ``chunk_size`` is given and ``torch.func.vmap`` cannot evaluate the
            module.
        """
        import_torch()
        check_params(self)
        check_module(self.module)
        X = check_data(X, "X")
        targets = [] if y is None else target_candidates(y, len(X))
        network = TorchNetwork(
            self.module,
            self.criterion,
            X,
            targets[0] if targets else None,
            alpha=float(self.alpha),
            device=self.device,
            dtype=self.dtype,
        )
        self.n_params_ = network.n_params
        self.names_ = list(network.names)
        self.shapes_ = list(network.shapes)
        probe(network, self._weights(self.module), targets, self.chunk_size)
        self._declare()
        self._network = network
        self.chunk_size_ = network.chunk_size
        if X.ndim == 2:
            self.n_features_in_ = X.shape[1]
        elif hasattr(self, "n_features_in_"):  # of an earlier fit
            del self.n_features_in_
        return self

    def _estimated_length(self) -> FloatArray:
        return self._network.typical_sizes()

    def _once(self, theta: Array) -> LocalModel:
        # With a graph that is not needed: some layers round differently without one.
        return TorchModel(self, self._as_points(theta), keep=False)

    def at(self, theta: Array) -> LocalModel:  # noqa: D102 (documented in Loss)
        return TorchModel(self, self._as_points(theta))

    @available_if(has_reduction)
    def transform(
        self, X: ArrayLike, theta: Array, y: ArrayLike | None = None
    ) -> FloatArray:
        """Compute the loss of each sample, without the penalty.

        This is possible only if the criterion has a ``reduction``, as those of PyTorch.

        Parameters
        ----------
        X : array-like or tensor of shape (n_samples, ...)
            Data, shaped as in ``fit``.
        theta : array of shape (n_points, n_params) or (n_params,)
            Points.
        y : array-like or tensor of shape (n_samples, ...), default=None
            Targets. They are needed unless the loss is that of an autoencoder.

        Returns
        -------
        errors : ndarray of shape (n_samples, n_points)
            Criterion with ``reduction="none"``, averaged over the axes behind the
            first, or added up if the reduction of the criterion is "sum".

        Raises
        ------
        ValueError
            If ``X`` or ``y`` does not fit, or ``y`` is missing.
        """
        torch = import_torch()
        theta = np.atleast_2d(self._as_points(theta))
        network, criterion = self._network, self.criterion
        X = network.tensor(check_data(X, "X"))
        if y is None and network.y is not network.X:
            raise ValueError(
                "y must be given: the loss was fitted with targets, got None."
            )
        target = X if y is None else self._targets(y, len(X))
        keywords = {"reduction": "none"}
        added = getattr(criterion, "reduction", "mean") == "sum"
        if isinstance(criterion, torch.nn.Module):
            criterion, keywords = copy.deepcopy(network.criterion), {}
            criterion.reduction = "none"
        errors = []
        with evaluation(), torch.no_grad():
            for point in theta:
                parts = network.blocks(network.tensor(point))
                error = criterion(network.output(parts, X), target, **keywords)
                error = error.reshape(len(X), -1)
                errors.append(as_array(error.sum(-1) if added else error.mean(-1)))
        return np.stack(errors, axis=-1) if errors else np.empty((len(X), 0))

    def _targets(self, y: Any, n_samples: Any) -> Any:
        # Targets of the type that fit has chosen.
        wanted = self._network.y
        candidates = target_candidates(y, n_samples)
        return self._network.tensor(candidates[0 if wanted.is_floating_point() else -1])
