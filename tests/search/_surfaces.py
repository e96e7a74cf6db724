"""Functions whose critical points and their inertia are known by hand."""

import numpy as np

from skcrit.losses import FunctionLoss


def ring(n, radius, center=0.0, products=True):
    """(|t - c|^2 - R^2)^2 / 4: a sphere of minima of dimension n - 1."""

    def value(t):
        u = t - center
        return (np.sum(u * u, axis=-1) - radius**2) ** 2 / 4

    def gradient(t):
        u = t - center
        return (np.sum(u * u, axis=-1) - radius**2)[..., None] * u

    def hvp(t, v):
        u = t - center
        excess = (np.sum(u * u, axis=-1) - radius**2)[..., None]
        return excess * v + 2 * np.sum(u * v, axis=-1)[..., None] * u

    return FunctionLoss(value, gradient, hvp if products else None, n_params=n).fit()


def power(m, n=2, plus_square=True):
    """x^m + y^2, or the sum of x_i^m: degenerate at the origin, and only there."""

    def split(t):
        return t[..., :1] if plus_square else t

    def value(t):
        rest = np.sum(t[..., 1:] ** 2, axis=-1) if plus_square else 0
        return np.sum(split(t) ** m, axis=-1) + rest

    def gradient(t):
        first = m * split(t) ** (m - 1)
        return np.concatenate([first, 2 * t[..., 1:]], -1) if plus_square else first

    def hvp(t, v):
        first = m * (m - 1) * split(t) ** (m - 2)
        first = first * (v[..., :1] if plus_square else v)
        return np.concatenate([first, 2 * v[..., 1:]], -1) if plus_square else first

    return FunctionLoss(value, gradient, hvp, n_params=n).fit()


def weak_quartic(products=True):
    """Hessian diag(4, 1, -5e-5, 7e-7) at the origin, and small cubic terms."""

    def value(t):
        w, x, y, z = np.moveaxis(t, -1, 0)
        square = 2 * w**2 + x**2 / 2 - 2.5e-5 * y**2 + 3.5e-7 * z**2
        cubic = 0.02 * (z**3 / 6 + y * z**2 / 2 + x * z**2 / 2)
        return square + cubic + np.sum(t**4, axis=-1) / 24

    def gradient(t):
        w, x, y, z = np.moveaxis(t, -1, 0)
        parts = [4 * w, x + 0.01 * z**2, -5e-5 * y + 0.01 * z**2]
        parts.append(7e-7 * z + 0.02 * (z**2 / 2 + y * z + x * z))
        return np.stack(parts, axis=-1) + t**3 / 6

    def hvp(t, v):
        _, x, y, z = np.moveaxis(t, -1, 0)
        a, b, c, d = np.moveaxis(v, -1, 0)
        parts = [4 * a, b + 0.02 * z * d, -5e-5 * c + 0.02 * z * d]
        parts.append(7e-7 * d + 0.02 * ((z + y + x) * d + z * c + z * b))
        return np.stack(parts, axis=-1) + t**2 / 2 * v

    return FunctionLoss(value, gradient, hvp if products else None, n_params=4).fit()


def lennard_jones(n_atoms, products=False, center=0.0):
    """Sum over pairs of r^-12 - 2 r^-6: pairs are at rest at distance one."""
    rows, columns = np.triu_indices(n_atoms, 1)

    def pairs(t):
        points = np.reshape(t - center, (*t.shape[:-1], n_atoms, 3))
        gaps = points[..., rows, :] - points[..., columns, :]
        return gaps, np.sum(gaps**2, axis=-1)

    def value(t):
        _, square = pairs(t)
        return np.sum(square**-6 - 2 * square**-3, axis=-1)

    def spread(forces, t):
        total = np.zeros((*t.shape[:-1], n_atoms, 3))
        for k, (i, j) in enumerate(zip(rows, columns, strict=True)):
            total[..., i, :] += forces[..., k, :]
            total[..., j, :] -= forces[..., k, :]
        return np.reshape(total, t.shape)

    def gradient(t):
        gaps, square = pairs(t)
        slope = -12 * square**-7 + 12 * square**-4
        return spread(slope[..., None] * gaps, t)

    def hvp(t, v):
        gaps, square = pairs(t)
        change, _ = pairs(v + center)
        slope = (-12 * square**-7 + 12 * square**-4)[..., None]
        bend = (168 * square**-8 - 96 * square**-5)[..., None]
        along = np.sum(gaps * change, axis=-1)[..., None]
        return spread(slope * change + bend * along * gaps, t)

    n_params = 3 * n_atoms
    exact = hvp if products else None
    return FunctionLoss(value, gradient, exact, n_params=n_params).fit()


def morse(n_atoms, dim, declared=False):
    """Make atoms that attract each other by Morse potentials of width one."""
    rows, columns = np.triu_indices(n_atoms, 1)

    def pairs(t):
        points = np.reshape(t, (*t.shape[:-1], n_atoms, dim))
        return points[..., rows, :] - points[..., columns, :]

    def spread(forces, t):
        total = np.zeros((*t.shape[:-1], n_atoms, dim))
        for k, (i, j) in enumerate(zip(rows, columns, strict=True)):
            total[..., i, :] += forces[..., k, :]
            total[..., j, :] -= forces[..., k, :]
        return np.reshape(total, t.shape)

    def parts(t):
        gaps = pairs(t)
        length = np.linalg.norm(gaps, axis=-1)
        return gaps / length[..., None], length, np.exp(1 - length)

    def gradient(t):
        unit, _, e = parts(t)
        return spread((2 * e * (1 - e))[..., None] * unit, t)

    def hvp(t, v):
        unit, length, e = parts(t)
        change = pairs(v)
        along = np.sum(unit * change, axis=-1)[..., None]
        across = change - along * unit
        forces = (2 * e * (2 * e - 1))[..., None] * along * unit
        return spread(forces + (2 * e * (1 - e) / length)[..., None] * across, t)

    return FunctionLoss(
        lambda t: np.sum(parts(t)[2] ** 2 - 2 * parts(t)[2], axis=-1),
        gradient,
        hvp,
        n_params=n_atoms * dim,
        symmetries=dim + dim * (dim - 1) // 2 if declared else None,
        invariants=(lambda t: distances(t, n_atoms)) if declared else None,
    ).fit()


def distances(theta, n_atoms):
    """Compute the distances between atoms, in ascending order."""
    shape = (*theta.shape[:-1], n_atoms, theta.shape[-1] // n_atoms)
    points = np.reshape(theta, shape)
    rows, columns = np.triu_indices(n_atoms, 1)
    gaps = points[..., rows, :] - points[..., columns, :]
    return np.sort(np.linalg.norm(gaps, axis=-1), axis=-1)


def simplex(n_atoms, rng):
    """Atoms at mutual distance one, turned at random: triangle or tetrahedron."""
    points = np.array([
        [0, 0, 0],
        [1, 0, 0],
        [0.5, 3**0.5 / 2, 0],
        [0.5, 3**0.5 / 6, (2 / 3) ** 0.5],
    ])[:n_atoms]
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return (points @ turn).ravel()


def exponential_tail():
    """exp(-x) + y^2: no critical point."""
    return FunctionLoss(
        lambda t: np.exp(-t[..., 0]) + t[..., 1] ** 2,
        lambda t: np.stack([-np.exp(-t[..., 0]), 2 * t[..., 1]], axis=-1),
        lambda t, v: np.stack([np.exp(-t[..., 0]) * v[..., 0], 2 * v[..., 1]], axis=-1),
        n_params=2,
    ).fit()


def turned(loss, degrees):
    """Mix the two parameters of a loss by a rotation."""
    angle = np.deg2rad(degrees)
    turn = np.array([
        [np.cos(angle), -np.sin(angle)],
        [np.sin(angle), np.cos(angle)],
    ])
    return FunctionLoss(
        lambda t: loss.value(t @ turn.T),
        lambda t: loss.gradient(t @ turn.T) @ turn,
        lambda t, v: loss.hvp(t @ turn.T, v @ turn.T) @ turn,
        n_params=2,
    ).fit()


# Functions of one variable with two derivatives: a tail, and a plateau with a kink.
FADING = (lambda x: np.exp(-x), lambda x: -np.exp(-x), lambda x: np.exp(-x))
KINK = (
    lambda x: np.maximum(1 - x, 0) ** 2,
    lambda x: -2 * np.maximum(1 - x, 0),
    lambda x: 2.0 * (x < 1),
)


def bent(turn, value, slope, bend):
    """f(x) + (y - x^2)^2 of a function f, turned: it acts along a parabola."""

    def parts(t):
        x, y = np.moveaxis(t @ turn.T, -1, 0)
        return x, y - x * x

    def gradient(t):
        x, rest = parts(t)
        return np.stack([slope(x) - 4 * x * rest, 2 * rest], -1) @ turn

    def hvp(t, v):
        x, rest = parts(t)
        a, b = np.moveaxis(v @ turn.T, -1, 0)
        change = b - 2 * x * a
        first = bend(x) * a - 4 * a * rest - 4 * x * change
        return np.stack([first, 2 * change], -1) @ turn

    return FunctionLoss(
        lambda t: value(parts(t)[0]) + parts(t)[1] ** 2, gradient, hvp, n_params=2
    ).fit()


def well():
    """-exp(-|t|^2): one minimum, and a tail all around."""

    def height(t):
        return np.exp(-np.sum(t * t, axis=-1))[..., None]

    return FunctionLoss(
        lambda t: -height(t)[..., 0],
        lambda t: 2 * t * height(t),
        lambda t, v: (2 * v - 4 * t * np.sum(t * v, axis=-1)[..., None]) * height(t),
        n_params=2,
    ).fit()


def pole(length=None):
    """(x^2 + x^-2) / 8: minima at -1 and 1, and a pole between them."""
    return FunctionLoss(
        lambda t: (t[..., 0] ** 2 + t[..., 0] ** -2) / 8,
        lambda t: (t - t**-3) / 4,
        lambda t, v: (1 + 3 * t**-4) * v / 4,
        n_params=1,
        length=length,
    ).fit()
