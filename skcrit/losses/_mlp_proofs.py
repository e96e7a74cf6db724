"""Bounds on the derivatives of multilayer networks, for proofs."""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import Array, ArrayLike
from skcrit.losses._activations import ACTIVATIONS
from skcrit.losses._mlp_enclosures import evaluation_errors
from skcrit.losses.proofs import Provable, as_radius


class MLPProofs(Provable):
    """Bound the change of the Hessian and all rounding errors of a network."""

    n_params_: int
    activation: str
    alpha: float
    fit_intercept: bool
    penalize_intercept: bool
    at: Any
    unit_degeneracies: Any
    _as_points: Any
    _once: Any

    def degeneracies(self, theta: Array) -> list[str]:
        # Such as "units 0, 2 of hidden layer 0 are duplicates: 1 free direction".
        causes = []
        for point in self._as_points(theta):
            finite = np.all(np.isfinite(to_host(point)))
            found = self.unit_degeneracies(point) if finite else None
            causes.append(str(found) if found is not None and found.nullity else "")
        return causes

    def hessian_lipschitz(self, theta: Array, radius: ArrayLike) -> Array:
        # Explicit, a recursion over the layers for every sample (see _mlp_bounds),
        # increased by more than its rounding error. It costs about one gradient and the
        # singular values of the weights, and does not depend on the penalty. Relu has
        # no such bound.
        theta, radius = as_radius(self, theta, radius)
        if not ACTIVATIONS[self.activation].smooth:
            return array_namespace(radius).full_like(radius, float("inf"))
        return self._once(theta).hessian_lipschitz(radius)

    @property
    def is_coercive(self) -> bool:  # type: ignore[override]
        """Whether the loss grows in every direction: if all parameters are penalised.

        Without a penalty on intercepts it is not: a unit with a large one is constant.
        """
        everything = not self.fit_intercept or self.penalize_intercept
        return self.alpha > 0 and everything

    def evaluation_error(self, theta: Array) -> tuple[Array, Array, Array]:
        # Everything is computed again on the host, with bounds on all rounding errors
        # (see _mlp_enclosures), and compared, which takes as long as several Hessians.
        # The elementary functions of NumPy are assumed to err by at most four units in
        # the last place.
        theta = self._as_points(theta)
        if not ACTIVATIONS[self.activation].smooth:
            return super().evaluation_error(theta)
        local = self.at(theta)
        computed = [to_host(a) for a in (local.value, local.gradient, local.hessian())]
        shape, n = theta.shape[:-1], self.n_params_
        points = np.asarray(to_host(theta), dtype=float).reshape(-1, n)
        rows = zip(points, *(a.reshape(len(points), -1) for a in computed), strict=True)
        with np.errstate(all="ignore"):
            errors = [
                evaluation_errors(self, t, f[0], g, H.reshape(n, n))
                for t, f, g, H in rows
            ]
        columns = np.array(errors, dtype=float).reshape(-1, 3).T
        # Rounded upwards: the loss may compute in single precision.
        columns = columns * (1 + 4 * np.finfo(self.dtype).eps)
        return tuple(self.asarray(c.reshape(shape)) for c in columns)
