r"""Sweeps through a multilayer network: values, gradients, and directional derivatives.

The weights of layer l stand in one matrix ``W_l`` with a row per unit; if there are
intercepts, they are its last column, and the inputs ``a_(l-1)`` of the layer end with a
row of ones. With the activation phi, the loss per sample ell, the inputs ``a_0`` and L
layers,

    z_l = W_l a_(l-1),   a_l = phi(z_l) for l < L,   f = sum over samples of ell(z_L);
    d_L = ell'(z_L),   e_l = W_(l+1)^T d_(l+1),   d_l = phi'(z_l) e_l;
    the gradient by W_l is d_l a_(l-1)^T.

Derivatives along a direction V differentiate these recursions (Pearlmutter's
R-operator): with a dash for the derivative,

    z'_l = V_l a_(l-1) + W_l a'_(l-1),   a'_l = phi'(z_l) z'_l;
    d'_L = ell''(z_L) z'_L,   e'_l = V_(l+1)^T d_(l+1) + W_(l+1)^T d'_(l+1),
    d'_l = phi'(z_l) e'_l + phi''(z_l) e_l z'_l;
    H V has the blocks d'_l a_(l-1)^T + d_l a'_(l-1)^T.

Points are a stack (n_points, 1, ...) and directions one (n_points or 1, n_directions,
...): all matrices are multiplied one by one, so that the numbers of one point never
depend on the batch that it is in. Samples stand in the last axis.

References
----------
.. [1] B. A. Pearlmutter. "Fast exact multiplication by the Hessian". Neural
   Computation 6(1), 147-160, 1994, doi:10.1162/neco.1994.6.1.147.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from skcrit._backend import (
    array_namespace,
    device,
    empty_like,
    transposed,
)
from skcrit._typing import Array
from skcrit.losses._lazy import lazy


def _times(a: Array, b: Array) -> Array:
    # Multiply entry by entry; None in the place of a stands for one.
    return b if a is None else a * b


def _times_into(a: Array, b: Array) -> Array:
    # The same, overwriting b, which is not needed afterwards.
    if a is None:
        return b
    if b.shape[0] < a.shape[0] or b.shape[1] < a.shape[1]:
        return a * b  # a direction shared by several points, or the reverse
    b *= a
    return b


def _plus(a: Array | None, b: Array | None) -> Any:
    # Add; None stands for zero.
    if a is None or b is None:
        return b if a is None else a
    return a + b


def _room(like: Array, n_rows: int) -> Array:
    # An array for the inputs of a layer, the last row of which, if it is one more than
    # the units, consists of ones that intercepts multiply.
    room = empty_like(like, (*like.shape[:-2], n_rows, like.shape[-1]))
    room[..., like.shape[-2] :, :] = 1
    return room


class Sweep:
    """Forward and backward sweep of some points over some samples.

    The layers, first one first, have the shape (n_points, 1, n_out, n_in), with
    intercepts in the last column; ``inputs`` and ``targets`` have a sample in each
    column, with a row of ones if there are intercepts. The attribute ``inputs`` lists
    what each layer multiplies, of shape (n_points, 1, n_in, n_samples), and ``units``
    the columns of the weights that multiply units, not the intercepts. Whatever is
    asked for is computed once and kept. If ``is_spent`` is true, a product is the last
    thing that is asked for, and overwrites what is kept.
    """

    is_spent = False

    def __init__(
        self,
        weights: list[Array],
        inputs: Array,
        targets: Array,
        activation: Any,
        output: Any,
    ) -> None:
        self.weights, self.targets = weights, targets
        self.activation, self.output = activation, output
        widths = [inputs.shape[-2], *(W.shape[-2] for W in weights)]
        self.units = [W[..., :n] for W, n in zip(weights, widths, strict=False)]
        self.inputs, self._kept = [inputs], []
        for W, following in zip(weights[:-1], weights[1:], strict=True):
            z = W @ self.inputs[-1]
            room = _room(z, following.shape[-1])
            self._kept.append(activation.write(z, room[..., : z.shape[-2], :]))
            self.inputs.append(room)
        self.outputs = weights[-1] @ self.inputs[-1]

    def _activity(self, layer: int) -> Array:
        # Outputs of the units of a hidden layer, without the row of ones.
        return self.inputs[layer + 1][..., : self.weights[layer].shape[-2], :]

    def _from_units(self, V: list[Array]) -> list[Array]:
        # The columns of the matrices of a direction that multiply units.
        pairs = zip(V, self.units, strict=True)
        return [matrix[..., : W.shape[-1]] for matrix, W in pairs]

    @lazy
    def _state(self) -> Array:
        return self.output.state(self.outputs, self.outputs if self.is_spent else None)

    @lazy
    def _slopes(self) -> list[Array]:
        # phi' of the hidden layers.
        return [
            self.activation.slope(self._activity(layer), kept)
            for layer, kept in enumerate(self._kept)
        ]

    @lazy
    def _outer(self) -> list[Array]:
        # d_l of all layers but the first one.
        outer = [self.output.slope(self._state, self.targets)]
        for layer in range(len(self.weights) - 1, 1, -1):
            error = transposed(self.units[layer]) @ outer[-1]
            outer.append(_times_into(self._slopes[layer - 1], error))
        return outer[::-1]

    @lazy
    def deltas(self) -> list[Array]:
        """Differentiate the samples' losses by the z_l: the d_l, one array a layer."""
        return [_times_into(self._slopes[0], self._error(0)), *self._outer]

    def _error(self, layer: int, factor: int = 1) -> Array:
        # e_l of a hidden layer, times a factor.
        units = transposed(self.units[layer + 1])
        return (units if factor == 1 else factor * units) @ self._outer[layer]

    @lazy
    def _curves(self) -> list[Any]:
        # phi'' e of the hidden layers, over phi' for some activations.
        return [
            self.activation.curve(
                self._activity(layer),
                kept,
                self._slopes[layer],
                partial(self._error, layer),
            )
            for layer, kept in enumerate(self._kept)
        ]

    def forget(self) -> None:
        """Keep only what takes most time to compute: the forward sweep."""
        for name in ("_slopes", "_outer", "_curves", "deltas"):
            self.__dict__.pop(name, None)

    def values(self) -> Array:
        """Evaluate the loss of each sample: (n_points, 1, n_samples)."""
        return self.output.values(self.outputs, self.targets)

    def gradient(self) -> list[Array]:
        """Compute the gradient, one matrix per layer, first layer first."""
        pairs = zip(self.deltas, self.inputs, strict=True)
        return [d @ transposed(a) for d, a in pairs]

    def hvp(self, V: list[Array]) -> list[Array]:
        """Multiply the Hessian by directions, in matrices."""
        # Results overwrite what is used up: memory that stays in the cache counts more
        # than the operations. a' takes the place of z'.
        product, moved, bent = [], [], []
        change = V[0] @ self.inputs[0]
        for layer in range(1, len(V)):
            change, part = self._activated(layer - 1, change)
            moved.append(change)
            bent.append(part)
            change = V[layer] @ self.inputs[layer]
            change += self.units[layer] @ moved[-1]
        signal = self.output.product(self._state, change, spare=change)
        del change
        for layer in range(len(V) - 1, 0, -1):
            block = signal @ transposed(self.inputs[layer])
            self._add_from_units(block, self._outer[layer - 1], moved.pop())
            product.append(block)
            units = self.units[layer]
            error = (
                transposed(V[layer][..., : units.shape[-1]]) @ self._outer[layer - 1]
            )
            error += transposed(units) @ signal
            signal = _times_into(self._slopes[layer - 1], error)
            part = bent.pop()
            if part is not None:
                signal += part
        product.append(signal @ transposed(self.inputs[0]))
        return product[::-1]

    def _activated(self, layer: int, change: Array) -> tuple[Array, Any]:
        # From z', which is overwritten, to a' and phi'' e z' of a hidden layer; None is
        # zero.
        slope, curve = self._slopes[layer], self._curves[layer]
        if self.activation.curves_over_slope:
            change = _times_into(slope, change)
        bent = None
        if curve is not None:
            bent = _times_into(change, curve) if self.is_spent else curve * change
        if not self.activation.curves_over_slope:
            change = _times_into(slope, change)
        return change, bent

    def _add_from_units(self, block: Array, delta: Array, activity: Array) -> None:
        # Add, in place, the product of a layer's signal with what comes in from units.
        block[..., : activity.shape[-2]] += delta @ transposed(activity)

    def _along(self, V: list[Array]) -> _Direction:
        # Differentiate the sweep along V.
        units = self._from_units(V)
        z, a = [V[0] @ self.inputs[0]], []
        for layer in range(1, len(V)):
            a.append(_times(self._slopes[layer - 1], z[-1]))
            z.append(V[layer] @ self.inputs[layer] + self.units[layer] @ a[-1])
        d, e = [self.output.product(self._state, z[-1])], []
        for layer in range(len(V) - 1, 0, -1):
            error = transposed(units[layer]) @ self.deltas[layer]
            e.append(error + transposed(self.units[layer]) @ d[-1])
            d.append(_times(self._slopes[layer - 1], e[-1]))
            bend = self.bend(layer - 1)
            if bend is not None:
                d[-1] = d[-1] + bend * z[layer - 1]
        return _Direction(units, z, a, e[::-1], d[::-1])

    def third_derivative(self, U: list[Array], V: list[Array]) -> list[Array]:
        """Contract the third derivative with two directions, all in matrices."""
        # Two dashes for the derivative along both directions:
        # z''_l = U_l a^v + V_l a^u + W_l a'',  a'' = phi'' z^u z^v + phi' z'',
        # e''_l = U_(l+1)^T d^v + V_(l+1)^T d^u + W_(l+1)^T d'',
        # d'' = phi''' z^u z^v e + phi'' (z'' e + z^u e^v + z^v e^u) + phi' e''.
        # The blocks are d'' a^T + d^u a^vT + d^v a^uT + d a''T.
        u, v, depth = self._along(U), self._along(V), len(U)
        z2, a2 = [None], []
        for layer in range(1, depth):
            a2.append(self._second_activity(layer - 1, u, v, z2[-1]))
            change = u.units[layer] @ v.a[layer - 1] + v.units[layer] @ u.a[layer - 1]
            if a2[-1] is not None:
                change = change + self.units[layer] @ a2[-1]
            z2.append(change)
        d2 = self.output.product(self._state, z2[-1])
        d2 = _plus(self.output.contraction(self._state, u.z[-1], v.z[-1]), d2)
        contraction = []
        for layer in range(depth - 1, 0, -1):
            block = d2 @ transposed(self.inputs[layer])
            self._add_from_units(block, u.d[layer], v.a[layer - 1])
            self._add_from_units(block, v.d[layer], u.a[layer - 1])
            if a2[layer - 1] is not None:
                self._add_from_units(block, self.deltas[layer], a2[layer - 1])
            contraction.append(block)
            e2 = transposed(u.units[layer]) @ v.d[layer]
            e2 = e2 + transposed(v.units[layer]) @ u.d[layer]
            e2 = e2 + transposed(self.units[layer]) @ d2
            d2 = self._second_signal(layer - 1, u, v, z2[layer - 1], e2)
        return [d2 @ transposed(self.inputs[0]), *contraction[::-1]]

    def curvature(self) -> Array:
        """Compute ell'', of shape (n_points, n_outputs, n_outputs, n_samples)."""
        xp, z = array_namespace(self.outputs), self.outputs
        unit = xp.eye(z.shape[-2], dtype=z.dtype, device=device(z))[None, :, :, None]
        curvature = self.output.product(self._state, unit)
        return xp.broadcast_to(curvature, (z.shape[0], *unit.shape[1:3], z.shape[-1]))

    def slope(self, layer: int) -> Any:
        """Evaluate phi' of a hidden layer; None for one."""
        return self._slopes[layer]

    def bend(self, layer: int) -> Any:
        """Evaluate phi'' e of a hidden layer; None for zero."""
        curve = self._curves[layer]
        if curve is None or not self.activation.curves_over_slope:
            return curve
        return _times(self._slopes[layer], curve)

    def derivatives(self, layer: int) -> tuple[Any, ...]:
        """Differentiate the activation of a hidden layer at its z, three times."""
        # None is a first derivative of one, or a second or third of zero.
        a, kept, slope = self._activity(layer), self._kept[layer], self._slopes[layer]
        bend = self.activation.bend(a, kept, slope)
        return slope, bend, self.activation.twist(a, kept, slope)

    def _second_activity(
        self, layer: int, u: _Direction, v: _Direction, z2: Array | None
    ) -> Array:
        # a'' of a hidden layer; None is zero.
        slope, bend, _ = self.derivatives(layer)
        curved = None if bend is None else bend * u.z[layer] * v.z[layer]
        return _plus(curved, None if z2 is None else _times(slope, z2))

    def _second_signal(
        self, layer: int, u: _Direction, v: _Direction, z2: Array | None, e2: Array
    ) -> Array:
        # d'' of a hidden layer.
        slope, bend, twist = self.derivatives(layer)
        signal = _times(slope, e2)
        if bend is None:
            return signal
        error = self._error(layer)
        both = u.z[layer] * v.e[layer] + v.z[layer] * u.e[layer]
        signal = signal + twist * u.z[layer] * v.z[layer] * error + bend * both
        return signal if z2 is None else signal + bend * z2 * error


class _Direction(NamedTuple):
    """A direction, and along it z' and d' of all layers, a' and e' of hidden ones."""

    units: list
    z: list
    a: list
    e: list
    d: list
