"""Arrays with first and second derivatives, in any precision."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Jet", "variables"]


@dataclass
class Jet:
    """An array of shape (...,) with all derivatives by n variables.

    Attributes
    ----------
    value : ndarray of shape (...,)
        Values.
    slope : ndarray of shape (..., n)
        First derivatives.
    bend : ndarray of shape (..., n, n), or None
        Second derivatives, if they are carried along.
    """

    value: np.ndarray
    slope: np.ndarray
    bend: np.ndarray | None

    # NumPy's arrays leave operations to this class.
    __array_ufunc__ = None

    def __getitem__(self, where):
        """Take a part, by a tuple that begins with an ellipsis."""
        whole = slice(None)
        bend = None if self.bend is None else self.bend[(*where, whole, whole)]
        return Jet(self.value[where], self.slope[(*where, whole)], bend)

    def __add__(self, other):
        """Add a jet, or an array of constants."""
        if not isinstance(other, Jet):
            value = self.value + other
            return Jet(value, *self._spread(value.shape))
        bend = None if self.bend is None else self.bend + other.bend
        return Jet(self.value + other.value, self.slope + other.slope, bend)

    def __mul__(self, other):
        """Multiply by a jet, or by an array of constants."""
        if not isinstance(other, Jet):
            factor = np.asarray(other)
            bend = None if self.bend is None else factor[..., None, None] * self.bend
            return Jet(factor * self.value, factor[..., None] * self.slope, bend)
        a, b = self.value[..., None], other.value[..., None]
        bend = None
        if self.bend is not None:
            mixed = self.slope[..., :, None] * other.slope[..., None, :]
            bend = a[..., None] * other.bend + b[..., None] * self.bend
            bend = bend + mixed + np.swapaxes(mixed, -1, -2)
        return Jet(self.value * other.value, a * other.slope + b * self.slope, bend)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self):
        """Change the sign."""
        return self * -1.0

    def __sub__(self, other):
        """Subtract a jet or constants."""
        return self + -1 * other

    def __rsub__(self, other):
        """Subtract from constants."""
        return -self + other

    def __truediv__(self, other):
        """Divide by a jet or by constants."""
        if isinstance(other, Jet):
            return self * other.inverse()
        return self * (1 / np.asarray(other, dtype=self.value.dtype))

    def __rtruediv__(self, other):
        """Divide constants."""
        return self.inverse() * other

    def _spread(self, shape):
        n = self.slope.shape[-1:]
        bend = None
        if self.bend is not None:
            bend = np.broadcast_to(self.bend, shape + n + n)
        return np.broadcast_to(self.slope, shape + n), bend

    def _through(self, value, slope, bend):
        # The chain rule.
        new = None
        if self.bend is not None:
            square = self.slope[..., :, None] * self.slope[..., None, :]
            new = bend[..., None, None] * square + slope[..., None, None] * self.bend
        return Jet(value, slope[..., None] * self.slope, new)

    def inverse(self):
        """Return one over this."""
        a = 1 / self.value
        return self._through(a, -(a**2), 2 * a**3)

    def exp(self):
        """Return the exponential."""
        a = np.exp(self.value)
        return self._through(a, a, a)

    def log(self):
        """Return the natural logarithm."""
        a = 1 / self.value
        return self._through(np.log(self.value), a, -(a**2))

    def sin(self):
        """Return the sine."""
        a, b = np.sin(self.value), np.cos(self.value)
        return self._through(a, b, -a)

    def cos(self):
        """Return the cosine."""
        a, b = np.cos(self.value), np.sin(self.value)
        return self._through(a, -b, -a)

    def sqrt(self):
        """Return the square root."""
        a = np.sqrt(self.value)
        return self._through(a, 1 / (2 * a), -1 / (4 * a**3))

    def square(self):
        """Return the square."""
        a = self.value
        return self._through(a * a, 2 * a, np.full_like(a, 2))

    def power(self, m):
        """Return a whole power, at least the second."""
        a = self.value
        return self._through(a**m, m * a ** (m - 1), m * (m - 1) * a ** (m - 2))

    def sum(self, n_axes=1):
        """Sum over the last axes."""
        axes = tuple(range(-n_axes, 0))
        first, second = (tuple(a - k for a in axes) for k in (1, 2))
        bend = None if self.bend is None else np.sum(self.bend, axis=second)
        return Jet(np.sum(self.value, axis=axes), np.sum(self.slope, axis=first), bend)


def variables(theta, second):
    """Make the variables.

    Parameters
    ----------
    theta : ndarray of shape (..., n)
        Points, in the precision of all that follows.
    second : bool
        Whether to carry second derivatives.

    Returns
    -------
    x : Jet of shape (..., n)
        Variables.
    """
    n = theta.shape[-1]
    slope = np.broadcast_to(np.eye(n, dtype=theta.dtype), (*theta.shape, n))
    bend = np.zeros((1,) * theta.ndim + (n, n), theta.dtype) if second else None
    if second:
        bend = np.broadcast_to(bend, (*theta.shape, n, n))
    return Jet(theta, slope, bend)
