"""A multilayer network expanded to second order, in chunks that stay in the cache."""

from functools import cached_property
from math import prod

import numpy as np

from skcrit._backend import array_namespace, device
from skcrit.losses._mlp_bounds import hessian_lipschitz
from skcrit.losses._mlp_hessian import hessian_of
from skcrit.losses.local_model import LocalModel

# Numbers in one array of a sweep, points by directions by units by samples. On the host
# 512 KiB: the arrays of a layer stay in the cache together, and the samples of one
# point are taken in blocks of an eighth of that.
_HOST_NUMBERS = 2**16
_DEVICE_NUMBERS = 2**24

# Numbers that the sweeps of a local model may keep for the products that follow, 256
# MiB and 1 GiB of float64; for points beyond that every product sweeps again.
_HOST_KEPT = 2**25
_DEVICE_KEPT = 2**27

# glibc hands freed memory back to the system beyond twice the largest block that was
# freed before (of at most 32 MiB), and every sweep then waits for fresh pages: a tenth
# of the time of a product, a quarter of that of a Hessian. A block of which no page is
# touched, freed at once, raises that limit to 64 MiB.
np.empty(2**22 - 2**12)


def sample_blocks(n_samples, width, is_host):
    """Divide samples into blocks, the last one possibly shorter."""
    # width is that of the widest layer but the inputs. They depend on nothing else, so
    # that sums over samples round in the same way in every batch.
    size = _HOST_NUMBERS // 8 if is_host else _DEVICE_NUMBERS
    size = max(size // width, 32)
    # As many blocks, all but the last of one size, a multiple of eight.
    n_blocks = -(-n_samples // size)
    return _slices(n_samples, -(-n_samples // (8 * n_blocks)) * 8)


def _slices(n, size):
    # Divide n things into portions; the last one may be smaller.
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]


class MLPModel(LocalModel):
    """Local model of a network: sweeps over chunks of points and blocks of samples.

    Parameters
    ----------
    loss : MLPLoss
        Fitted loss.
    theta : array of shape (..., n_params)
        Points.
    once : bool, default=False
        Whether one thing is asked for: then no sweep is kept, and the gradient does not
        evaluate the loss as well. Memory that is taken and given back for every product
        costs more than the sweep.
    """

    forms_cheaply = True

    def __init__(self, loss, theta, once=False):
        super().__init__(loss, theta)
        xp = array_namespace(theta)
        self._points = xp.reshape(theta, (prod(theta.shape[:-1]), 1, theta.shape[-1]))
        is_host = isinstance(theta, np.ndarray)
        widest, block = max(loss._widths[1:]), loss._blocks[0][1].shape[-1]
        numbers = _HOST_NUMBERS if is_host else _DEVICE_NUMBERS
        # How many pairs of a point and a direction make a chunk.
        self._pairs = max(numbers // max(widest * block, loss.n_params_), 1)
        limit = _HOST_KEPT if is_host else _DEVICE_KEPT
        # Whether what follows from forward sweeps in few operations is kept as well.
        n_points = self._points.shape[0]
        self._keeps_all = n_points * loss.numbers_per_point_ <= limit
        least = loss.numbers_per_point_ if self._keeps_all else loss._numbers_forward
        self._n_kept = 0 if once else limit // least
        self._once, self._sweeps = once, {}

    def _chunks(self):
        # Points, in chunks.
        return _slices(self._points.shape[0], self._pairs)

    def _over_blocks(self, chunk):
        # Sweeps of a chunk of points over one block of samples after the other. Who
        # deletes a sweep before the next one is made has its memory, which is in the
        # cache, taken by that one.
        weights = None
        for number, block in enumerate(self.loss._blocks):
            sweep = self._sweeps.get((chunk.start, number))
            if sweep is None:
                weights = weights or self.loss._split(self._points[chunk, ...])
                sweep = self.loss._sweep(weights, *block)
                if chunk.stop <= self._n_kept:
                    self._sweeps[chunk.start, number] = sweep
            yield sweep
            del sweep

    def _over_samples(self, chunk, function):
        # Sum a list of arrays of each sweep over blocks of samples.
        total = None
        for sweep in self._over_blocks(chunk):
            parts = function(sweep)
            if not self._keeps_all:
                sweep.forget()
            del sweep
            total = parts if total is None else _added(total, parts)
        return total

    def _joined(self, rows, shape):
        # Join results of chunks to an array of the shape of the points.
        xp = array_namespace(self.theta)
        if not rows:
            place = device(self.theta)
            return xp.zeros(shape, dtype=self.theta.dtype, device=place)
        total = rows[0] if len(rows) == 1 else xp.concat(rows, axis=0)
        return xp.reshape(total, shape)

    @cached_property
    def value(self):
        xp, rows = array_namespace(self.theta), []
        for chunk in self._chunks():
            rows += self._over_samples(
                chunk, lambda sweep: [xp.sum(sweep.values(), axis=-1)]
            )
        return self._with_penalty(self._joined(rows, self.theta.shape[:-1]))

    def _with_penalty(self, total):
        # From the sum over samples to the loss.
        xp, loss = array_namespace(self.theta), self.loss
        value = total / loss._divisor
        if loss._decay is None:
            return value
        return value + xp.sum(loss._decay * self.theta * self.theta, axis=-1) / 2

    @cached_property
    def gradient(self):
        xp, shape = array_namespace(self.theta), self.theta.shape

        def parts(sweep):
            # The value costs little more, and both are usually wanted.
            values = [] if self._once else [xp.sum(sweep.values(), axis=-1)]
            return values + sweep.gradient()

        totals = [self._over_samples(chunk, parts) for chunk in self._chunks()]
        if not self._once:
            value = self._joined([total.pop(0) for total in totals], shape[:-1])
            self.__dict__["value"] = self._with_penalty(value)
        rows = [self.loss._join(total) for total in totals]
        return self._with_decay(self._joined(rows, shape), self.theta)

    def _with_decay(self, total, v):
        # From a sum over samples to a derivative, with the part of the penalty.
        product = total / self.loss._divisor
        return product if self.loss._decay is None else product + self.loss._decay * v

    def hvp(self, v):
        v = self.loss._as_directions(v, self.theta)
        return self._contracted([v], lambda sweep, V: sweep.hvp(V), v)

    def third_derivative(self, u, v):
        u = self.loss._as_directions(u, self.theta, name="u")
        v = self.loss._as_directions(v, self.theta, name="v")
        return self._contracted([u, v], lambda sweep, *W: sweep.third_derivative(*W))

    def hessian(self):
        xp, loss, n_params = array_namespace(self.theta), self.loss, self.loss.n_params_
        rows = [
            self._over_samples(chunk, lambda sweep: [hessian_of(sweep)])[0]
            for chunk in self._chunks()
        ]
        total = self._joined(rows, (*self.theta.shape, n_params))
        # Rounding differs between (i, j) and (j, i).
        total = (total + xp.matrix_transpose(total)) / (2 * loss._divisor)
        if loss._decay is None:
            return total
        unit = xp.eye(n_params, dtype=total.dtype, device=device(total))
        return total + unit * loss._decay

    def hessian_lipschitz(self, radius):
        """Bound how fast the Hessian changes near the points."""
        xp, shape = array_namespace(self.theta), self.theta.shape[:-1]
        radius = xp.reshape(radius, (prod(shape), 1, 1))
        rows = [
            hessian_lipschitz(self.loss, self._over_blocks(chunk), radius[chunk, ...])
            for chunk in self._chunks()
        ]
        return self._joined(rows, shape)

    def _contracted(self, directions, function, decayed=None):
        # Contract derivatives with directions, chunk by chunk.
        xp = array_namespace(self.theta)
        if all(d.shape == self.theta.shape for d in directions):
            stacks = [xp.reshape(d, self._points.shape) for d in directions]
            return self._summed(stacks, self.theta.shape, function, decayed)
        leading = [d.shape[:-1] for d in directions]
        batch = np.broadcast_shapes(self.theta.shape[:-1], *leading)
        own = (1,) * (len(batch) - self.theta.ndim + 1) + self.theta.shape[:-1]
        # Trailing axes of directions alone: as many directions for every point.
        n_axes = len(batch)
        while n_axes and own[n_axes - 1] == 1:
            n_axes -= 1
        if own[:n_axes] != batch[:n_axes]:
            points = xp.broadcast_to(self.theta, (*batch, self.theta.shape[-1]))
            points = self.loss._as_points(points)
            model = MLPModel(self.loss, points, once=True)
            return model._contracted(directions, function, decayed)
        shape = prod(batch[:n_axes]), prod(batch[n_axes:]), self.theta.shape[-1]
        stacks = []
        for d in directions:
            lead = (1,) * (len(batch) - d.ndim + 1) + d.shape[:-1]
            # The same directions for all points are kept once.
            shared = prod(lead[:n_axes]) == 1
            wanted = (*(batch[n_axes:] if shared else batch), shape[-1])
            d = xp.reshape(d, d.shape[-len(wanted) :]) if shared else d
            n_points = 1 if shared else shape[0]
            d = xp.broadcast_to(d, wanted)
            stacks.append(xp.reshape(d, (n_points, *shape[1:])))
        return self._summed(stacks, (*batch, shape[-1]), function, decayed)

    def _summed(self, stacks, shape, function, decayed):
        # Contract chunks of points with their directions.
        chunks = self._chunks() if stacks[0].shape[1] else []
        rows = [self._chunk_contracted(chunk, stacks, function) for chunk in chunks]
        total = self._joined(rows, shape)
        if decayed is None:
            return total / self.loss._divisor
        return self._with_decay(total, decayed)

    def _chunk_contracted(self, chunk, stacks, function):
        # Sum contractions over blocks of samples, for all directions of some points.
        loss, n_directions = self.loss, stacks[0].shape[1]
        size = max(self._pairs // (chunk.stop - chunk.start), 1)
        parts = _slices(n_directions, size)
        own = [d if d.shape[0] == 1 else d[chunk, ...] for d in stacks]
        cut = [[loss._split(d[:, part, :]) for d in own] for part in parts]
        totals = [None] * len(parts)
        for sweep in self._over_blocks(chunk):
            sweep.is_spent = self._once and len(parts) == 1
            for number, matrices in enumerate(cut):
                result = function(sweep, *matrices)
                total = totals[number]
                totals[number] = result if total is None else _added(total, result)
            if not self._keeps_all:
                sweep.forget()
            del sweep
        xp = array_namespace(self.theta)
        joined = [loss._join(total) for total in totals]
        return joined[0] if len(joined) == 1 else xp.concat(joined, axis=1)


def _added(total, parts):
    # Add a list of arrays to another one, in place.
    for a, b in zip(total, parts, strict=True):
        a += b
    return total
