"""The text that all finders share, written once and put into every docstring."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

_Class = TypeVar("_Class", bound=type)

# The column that every method has whose searches can fall back.
N_FALLBACK = "steps of the fallback; only with ``fallback=True``"

_PARAMETERS = """\
loss : Loss, default=None
    Loss to search. It is cloned and fitted to the data. None is
    ``LinearAutoencoderLoss()``.
n_starts : int, default={n_starts}
    Number of searches.
init : str, array or sampler, default={init}
    Where searches begin. "auto" is ``AutoStarts()``: along several descents for
    networks, in two sizes for other losses. "gaussian" and "spread" are
    ``GaussianStarts()`` and ``SpreadStarts()``, "height" and "iteration"
    ``TrajectoryStarts(by=init)``, one descent. Given points have the shape (n_starts,
    n_params), and a sampler has the method ``sample(loss, n_starts, random_state)``.
tol : float or "auto", default={tol}
    A float is an absolute bound on the squared gradient norm: a start has reached it
    when its squared gradient norm is at most ``tol``, at its own point and at the
    rescaled point of its symmetry orbit. "auto" has no unit: searches continue until
    the gradient is as small as rounding allows. A start that has reached ``tol`` has
    converged if Newton steps from there contract to the level of rounding; see
    ``results_``. Infinity leaves the starts unchanged.
max_iter : int, default={max_iter}
    Largest number of iterations per start.
batch_size : int, default=None
    Number of starts that are solved together. None divides the starts over the workers,
    into batches of at most ``65536 / n_params`` (but 4 to 512), and of a quarter of
    that with ``memory``, ``verbose`` or callbacks. It affects time and memory, never
    the result.
n_jobs : int, default=None
    Number of workers that solve batches, through joblib; None is 1 outside a
    ``joblib.parallel_config`` context.
memory : str, path-like or joblib.Memory, default=None
    Folder in which finished batches are kept. If an interrupted fit is started again,
    it repeats none of them.
store_history : bool or list of str, default=False
    What to keep of every iterate: names out of "loss", "squared_grad_norm", "theta",
    "residual_ratio" and "kernel_ratio"; True is the first two. The last two cost at
    most 52 products per iterate, which "n_hvp" does not count. Each number takes 8
    bytes, for at most ``max_iter + 1`` iterates.
random_state : int, RandomState, Generator or None, default=None
    Source of randomness. Each start has a stream of its own, so that the result depends
    neither on ``n_jobs`` nor on ``batch_size``.
verbose : int, default=0
    If positive, a progress bar shows the number of starts done and converged, of
    distinct sets found, and the time left (needs tqdm).
"""

_FALLBACK = """\
fallback : bool, default=True
    Whether a search that is stuck, or whose squared gradient norm does not fall to a
    tenth in 20 iterations, continues with bounded Newton steps. These ascend along as
    many eigenvectors of the Hessian as have negative eigenvalues at that point. A
    descent along a bent valley goes on as long as its loss falls; see
    :class:`skcrit.solvers.Fallback`.
"""

_ATTRIBUTES = """\
loss_ : Loss
    The fitted loss.
n_features_in_ : int
    Number of features, if the loss has data.
n_params_ : int
    Number of parameters.
start_params_, final_params_ : ndarray of shape ({rows}, n_params)
    First and last point of each run; a run that failed keeps its last finite point.
converged_ : ndarray of bool of shape ({rows},)
    Which starts reached ``tol`` and ended at a critical point.
n_iter_ : int
    Iterations of the longest run.
results_ : dict of str to ndarray of shape ({rows},)
    A row per run, ready for ``pandas.DataFrame``. Its columns describe the last point
    of a run:

    - "loss", "squared_grad_norm", "squared_balanced_grad_norm": the last one is that of
      the rescaled point;
    - "n_iter", "n_gradient", "n_hvp": iterations, gradients and Hessian-vector
      products that the run took;
    - "status": why the run ended, see below;
    - "residual_ratio", "kernel_ratio": how flat the loss is at the end of a run that
      failed, NaN for others: ``|r| / (|H| |p| + |g|)`` and ``|H r| / (|H| |r|)`` with
      ``r = H p + g``;
{columns}    - "converged": whether the status is CONVERGED;
    - "distance": the estimated distance from the critical point, in the unit of the
      parameters;
    - "morse_index", "nullity": -1 if unknown;
    - "morse_index_low", "morse_index_high": bounds of the Morse index;
    - "critical_set": the row of the set in ``critical_points_``, -1 if not converged.

    A status is one of

    - CONVERGED: ``tol`` is reached, and Newton steps contract to a critical point;
    - UNCONFIRMED: ``tol`` is reached, and no critical point is near;
    - ESCAPED: the gradient vanishes towards infinity, or the run left the bounds of
      the loss;
    - GRADIENT_FLAT: as STALLED or MAX_ITER, with a "residual_ratio" of at least 0.9
      and a "kernel_ratio" of at most 5e-4;
    - STALLED: no step was accepted;
    - MAX_ITER: all iterations were used;
    - DIVERGED: the loss was not finite, or the norm of the point has grown by 1e8 and
      the gradient does not vanish towards infinity.
critical_points_ : ndarray of shape (n_critical_sets_, n_params)
    A refined, well-scaled point of each distinct critical set found, in the order of
    increasing loss.
critical_losses_ : ndarray of shape (n_critical_sets_,)
    Losses there.
morse_indices_, nullities_ : ndarray of int of shape (n_critical_sets_,)
    Numbers of negative and of zero eigenvalues of the Hessian there; -1 if unknown, and
    always beyond 4096 parameters, for which no dense Hessian is formed.
index_fractions_ : ndarray of shape (n_critical_sets_,)
    Morse indices over ``n_params_``; NaN if unknown. Beyond 4096 parameters the share
    of the eigenvalues below minus the level in ``inertia_levels_``: counted if the loss
    depends on at most 4096 of them on these data, and otherwise estimated by stochastic
    Lanczos quadrature, with about 100 to 2038 products per start.
index_interval_ : ndarray of shape (n_critical_sets_, 2)
    Least and largest index fraction that the measured error allows. If it is estimated,
    an interval of at least 95 % confidence for the share below minus the level. Smaller
    eigenvalues of either sign are the flat share of ``inertia_shares_``, about whose
    signs nothing is claimed.
inertia_shares_ : ndarray of shape (n_critical_sets_, 3)
    Shares of the eigenvalues that are negative (below minus the level), flat (within
    it) and positive (above it).
inertia_intervals_ : ndarray of shape (n_critical_sets_, 3, 2)
    Intervals for these shares, like that for the index fraction.
inertia_levels_ : ndarray of shape (n_critical_sets_,)
    The level, relative to the spectral norm of the Hessian in the units of the loss. It
    is the measured error of the Hessian times the lowest power of ten at which at most
    one two-hundredth of the eigenvalues are undecided; NaN if unknown.
counts_ : ndarray of int of shape (n_critical_sets_,)
    How many starts ended in each set.
n_critical_sets_ : int
    Number of distinct sets found.
is_continuum_ : ndarray of bool of shape (n_critical_sets_,)
    Whether starts ended at different points of the set that are connected by a walk
    along critical points, but by no declared symmetry of the loss.
history_ : dict of str to ndarray of shape ({rows}, n_iter_ + 1)
    "loss" and "squared_grad_norm" of every iterate, NaN after the end of a run; only
    with ``store_history``, which may also ask for "theta", of shape (..., n_params),
    and for "residual_ratio" and "kernel_ratio", as in ``results_``.
"""


def documented(finder: _Class) -> _Class:
    """Put the shared text in place of ``<parameters>``, ``<attributes>`` and others."""
    method: Any = finder
    signature = inspect.signature(method.__init__)
    names = ("n_starts", "init", "tol", "max_iter")
    defaults = {n: signature.parameters[n].default for n in names}
    quoted = {n: f'"{d}"' if isinstance(d, str) else d for n, d in defaults.items()}
    columns = "".join(
        f'    - "{name}": {text};\n' for name, text in method._columns.items()
    )
    attributes = _ATTRIBUTES.replace("{columns}", columns)
    texts = {
        "<parameters>": _PARAMETERS.format(**quoted),
        "<fallback>": _FALLBACK,
        "<attributes>": attributes.replace("{rows}", method._row_count),
    }
    doc = finder.__doc__ or ""
    for mark, text in texts.items():
        doc = doc.replace(mark, text.strip().replace("\n", "\n    "))
    finder.__doc__ = doc
    return finder
