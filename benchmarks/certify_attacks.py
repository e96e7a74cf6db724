"""Try to get false certificates; every one that is given is checked by other means.

Usage: ``python benchmarks/certify_attacks.py [--seed 0] [--jobs 2]``. ``make certify``
does the same. Linear networks are checked by the formula for diagonal data, networks
with activations by Newton's method in decimal numbers of 60 digits, with derivatives by
nested dual numbers: neither shares code with the package.
"""

import argparse
import time
import warnings
from decimal import Decimal, localcontext

import numpy as np

from skcrit import (
    LinearAutoencoderLoss,
    MLPLoss,
    NewtonMRFinder,
    NotConvergedWarning,
    certify,
)

DIGITS = 60
MOVES = (0.0, 1e-14, 1e-10, 1e-7, 1e-3)


def autoencoder(values, width, **params):
    """Return an autoencoder of diagonal data with these second moments."""
    values = np.asarray(values, dtype=float)
    X = np.diag(np.sqrt(len(values) * values))
    return LinearAutoencoderLoss((width,), center=False, tie_rtol=0.0, **params).fit(X)


def factors(loss, values, width, chosen):
    """Return the balanced point whose map keeps some coordinates."""
    d = len(values)
    # The penalty on the weights is its weight times the number of outputs over lambda.
    left = np.maximum(1 - loss.alpha * d / values[chosen], 0) ** 0.5
    W = np.zeros((width, d))
    W[np.arange(len(chosen)), chosen] = left**0.5
    return loss.pack([W, W.T])


def known(values, width, chosen):
    """Return the Morse index and the nullity of a set without a penalty."""
    rest = np.setdiff1d(np.arange(len(values)), chosen)
    free = width - len(chosen)
    index = sum(int(np.sum(values[rest] > values[i])) for i in chosen)
    return index + free * len(rest), len(chosen) * (2 * width - len(chosen))


def false_linear(record, loss, values, width):
    """Count certificates that the formula contradicts; data without a penalty."""
    wrong = 0
    for row in np.flatnonzero(record.certified):
        first, second = loss.weights(record.point[row])
        first, second = first.astype(float), second.astype(float)
        chosen = np.flatnonzero(np.diag(second @ first) > 0.5)
        keep = np.zeros(len(values))
        keep[chosen] = 1
        there = is_near(first, second, keep, record.error[row])
        inertia = record.morse_index[row], record.nullity[row]
        loss_there = np.sum(values[keep == 0]) / len(values)
        slack = 4e-15 * np.sum(values)
        slack += np.finfo(loss.dtype).eps * np.sum(values) * (loss.dtype == "float32")
        between = record.loss_low[row] - slack <= loss_there
        between &= loss_there <= record.loss_high[row] + slack
        wrong += not (there and between and inertia == known(values, width, chosen))
    return wrong


def is_near(first, second, map_diagonal, error):
    """Return whether a map is diagonal up to an error of the point, and rounding."""
    size = np.linalg.norm(first, 2) + np.linalg.norm(second, 2)
    gap = np.linalg.norm(second @ first - np.diag(map_diagonal))
    return gap <= size * error + error**2 + 1e-14 * size**2


def linear(seed):
    """Return attacks on linear networks: name, loss, points, and who counts."""
    rng = np.random.default_rng(seed)
    spectra = {
        "eigenvalues from 1e10 to 1": np.array([1e10, 1e7, 1e3, 1.0]),
        "eigenvalues 3 and 3 + 1e-9": np.array([3 + 1e-9, 3.0, 2.0, 1.0]),
        "eigenvalues 3 and 3 + 4e-15": np.array([3 + 4e-15, 3.0, 2.0, 1.0]),
        "eigenvalues of 1e-137": np.array([4.0, 3.0, 2.0, 1.0]) * 1e-137,
        "eigenvalues of 1e137": np.array([4.0, 3.0, 2.0, 1.0]) * 1e137,
    }
    for name, values in spectra.items():
        for dtype in ("float64", "float32"):
            if dtype == "float32" and not 1e-20 < values[0] < 1e20:
                continue
            loss = autoencoder(values, 2, dtype=dtype)
            sets = [[], [0], [1], [2], [3], [0, 1], [0, 2], [1, 2], [2, 3]]
            points = [
                factors(loss, values, 2, np.array(chosen, int)) for chosen in sets
            ]
            points = spread(np.array(points, dtype=float), rng)
            yield (
                f"linear, {name}, {dtype}",
                loss,
                points,
                lambda r, loss=loss, values=values: false_linear(r, loss, values, 2),
            )
    yield scaled_layers(np.array([4.0, 3.0, 2.0, 1.0]), rng)
    for gap in (1e-3, 1e-9, -1e-9, 1e-15):
        yield at_the_penalty(gap, rng)


def scaled_layers(values, rng):
    """Scale one layer up and the other down by factors to 1e8."""
    loss = autoencoder(values, 2)
    points = []
    for t in 10.0 ** np.arange(9):
        first, second = loss.weights(factors(loss, values, 2, np.array([0, 2])))
        points.append(loss.pack([first * t, second / t]))
    points = spread(np.array(points), rng)
    return (
        "linear, one layer scaled by 1 to 1e8",
        loss,
        points,
        lambda record: false_linear(record, loss, values, 2),
    )


def at_the_penalty(gap, rng):
    """Let a penalty on the weights come close to an eigenvalue."""
    # alpha d = 2 (1 + gap): where gap is positive the third set does not exist.
    values = np.array([4.0, 3.0, 2.0, 1.0])
    loss = autoencoder(values, 2, alpha=2 * (1 + gap) / 4)
    sets = [[], [0], [1], [0, 1]] + ([[2], [0, 2]] if gap < 0 else [])
    points = [factors(loss, values, 2, np.array(s, int)) for s in sets]
    points += [loss.pack([1e-4 * np.eye(2, 4), 1e-4 * np.eye(4, 2)])]
    left = np.maximum(1 - loss.alpha * 4 / values, 0)
    kept = left > 0

    def false(record):
        wrong = 0
        for row in np.flatnonzero(record.certified):
            first, second = loss.weights(record.point[row])
            chosen = np.flatnonzero(kept & (np.diag(second @ first) > left / 2))
            right = np.zeros(4)
            right[chosen] = left[chosen]
            there = is_near(first, second, right, record.error[row])
            # Larger eigenvalues that are left out lead down, by each free unit too.
            rest = [i for i in range(4) if i not in chosen]
            index = sum(int(values[j] > values[i]) for i in chosen for j in rest)
            index += (2 - len(chosen)) * int(np.sum(kept[rest]))
            wrong += not (there and index == record.morse_index[row])
        return wrong

    title = f"linear, alpha d = {1 + gap:.15g} times an eigenvalue"
    return title, loss, spread(np.array(points), rng), false


def spread(points, rng):
    """Move points by several lengths."""
    moved = []
    for size in MOVES:
        move = rng.standard_normal(points.shape)
        move /= np.linalg.norm(move, axis=1, keepdims=True)
        far = np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-300)
        moved.append(points + size * np.where(far > 1e-200, far, 1.0) * move)
    return np.concatenate(moved)


class Dual:
    """A decimal number with its derivatives by two directions, and by both."""

    def __init__(self, a, b=0, c=0, d=0):
        self.parts = tuple(Decimal(x) for x in (a, b, c, d))

    def __add__(self, other):
        pairs = zip(self.parts, as_dual(other).parts, strict=True)
        return Dual(*(x + y for x, y in pairs))

    __radd__ = __add__

    def __mul__(self, other):
        a, b, c, d = self.parts
        e, f, g, h = as_dual(other).parts
        return Dual(a * e, a * f + b * e, a * g + c * e, a * h + d * e + b * g + c * f)

    __rmul__ = __mul__

    def mapped(self, value, slope, bend):
        """Apply a function that has these derivatives here."""
        _, b, c, d = self.parts
        return Dual(value, slope * b, slope * c, slope * d + bend * b * c)


def as_dual(x):
    """Return a number without derivatives."""
    return x if isinstance(x, Dual) else Dual(x)


def activated(name, z):
    """Apply an activation to a dual number."""
    x = z.parts[0]
    small = (-abs(x)).exp()
    p = 1 / (1 + small) if x >= 0 else small / (1 + small)  # the logistic function
    if name == "softplus":
        return z.mapped(max(x, Decimal(0)) + (1 + small).ln(), p, p * (1 - p))
    if name == "logistic":
        slope = p * (1 - p)
        return z.mapped(p, slope, slope * (1 - 2 * p))
    square = small * small
    t = (1 - square) / (1 + square) * (1 if x >= 0 else -1)
    return z.mapped(t, 1 - t * t, -2 * t * (1 - t * t))


def dual_loss(loss, theta):
    """Compute the loss of a network with one hidden layer and one output."""
    width = loss._shapes[0][0]  # the layout: rows of weights, each with its intercept
    n_in = loss._shapes[0][1] - 1
    total = as_dual(0)
    for x, y in zip(loss._X, np.ravel(loss._targets.values), strict=True):
        x = [Decimal(float(v)) for v in x]
        out = as_dual(theta[width * (n_in + 1) + width])
        for unit in range(width):
            row = theta[unit * (n_in + 1) : (unit + 1) * (n_in + 1)]
            z = as_dual(row[n_in])
            for weight, v in zip(row, x, strict=False):
                z = z + weight * v
            out = out + theta[width * (n_in + 1) + unit] * activated(loss.activation, z)
        gap = out + Decimal(-float(y))
        total = total + gap * gap
    penalty = as_dual(0)
    for t in theta:
        penalty = penalty + as_dual(t) * t
    n = Decimal(len(loss._X))
    return (total + penalty * Decimal(float(loss.alpha))) * (1 / (2 * n))


def derivatives(loss, theta):
    """Compute value, gradient and Hessian in decimals."""
    n = len(theta)
    gradient, hessian = [Decimal(0)] * n, [[Decimal(0)] * n for _ in range(n)]
    for i in range(n):
        for j in range(i, n):
            there = [Dual(t, k == i, k == j) for k, t in enumerate(theta)]
            value, gradient[i], gradient[j], hessian[i][j] = dual_loss(
                loss, there
            ).parts
            hessian[j][i] = hessian[i][j]
    return value, gradient, hessian


def eliminated(hessian, right):
    """Solve by elimination of the largest pivots on the diagonal; count signs."""
    n = len(right)
    A = [[*row, b] for row, b in zip(hessian, right, strict=True)]
    order, signs = list(range(n)), []
    for step in range(n):
        best = max(order[step:], key=lambda i: abs(A[i][i]))
        position = order.index(best)
        order[step], order[position] = order[position], order[step]
        pivot = A[best][best]
        signs.append(pivot < 0)
        for i in order[step + 1 :]:
            part = A[i][best] / pivot
            A[i] = [x - part * y for x, y in zip(A[i], A[best], strict=True)]
    x = [Decimal(0)] * n
    for step in reversed(range(n)):
        i = order[step]
        rest = sum((A[i][k] * x[k] for k in order[step + 1 :]), Decimal(0))
        x[i] = (A[i][n] - rest) / A[i][i]
    return x, sum(signs)


def false_network(record, loss):
    """Count certificates that arithmetic of many digits contradicts."""
    wrong = 0
    with localcontext() as context:
        context.prec = DIGITS
        for row in np.flatnonzero(record.certified):
            start = [Decimal(float(t)) for t in record.point[row]]
            theta = list(start)
            for _ in range(6):
                value, gradient, hessian = derivatives(loss, theta)
                step, index = eliminated(hessian, gradient)
                theta = [t - s for t, s in zip(theta, step, strict=True)]
            moved = sum((t - s) ** 2 for t, s in zip(theta, start, strict=True)).sqrt()
            right = max(map(abs, gradient)) < Decimal(10) ** (10 - DIGITS)
            right &= moved <= Decimal(float(record.error[row]))
            right &= index == record.morse_index[row] and record.nullity[row] == 0
            low, high = record.loss_low[row], record.loss_high[row]
            right &= Decimal(float(low)) <= value <= Decimal(float(high))
            wrong += not right
    return wrong


def networks(seed):
    """Return attacks on networks with activations: critical points and huge weights."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-1, 1, 6)[:, None]
    y = np.sin(3 * x[:, 0])
    for activation in ("tanh", "logistic", "softplus"):
        for alpha, steep in ((1e-2, 1.0), (0.1, 30.0), (1e-6, 30.0)):
            loss = MLPLoss((2,), activation, alpha=alpha, penalize_intercept=True)
            loss.fit(steep * x, y)
            size = rng.choice([0.3, 1.0, 10.0], (60, 1))
            starts = size * rng.standard_normal((60, loss.n_params_))
            finder = NewtonMRFinder(init=starts, n_starts=60, max_iter=300)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotConvergedWarning)
                found = finder.fit(loss).critical_points_[:8]
            huge = rng.standard_normal((30, loss.n_params_))
            huge *= 10.0 ** rng.uniform(1, 12, (30, 1))
            # Units that cancel: the same weights, opposite outputs.
            huge[::2, 2:4] = huge[::2, :2]
            points = np.concatenate([spread(found, rng), huge])
            yield (
                f"{activation}, inputs up to {steep:g}, alpha = {alpha:g}",
                loss,
                points,
                lambda record, loss=loss: false_network(record, loss),
            )


def attack(seed, jobs):
    """Certify everything with a small and a large reach; return rows of a table."""
    rows = []
    for source in (linear, networks):
        for name, loss, points, false in source(seed):
            for reach in (1e-6, 1.0):
                begin = time.perf_counter()
                record = certify(loss, points, reach=reach, n_jobs=jobs)
                seconds = time.perf_counter() - begin
                counts = len(points), record.n_certified, record.n_distinct
                done = record.certified
                radius = f"{np.min(record.radius[done]):.1e}" if done.any() else "-"
                error = f"{np.max(record.error[done]):.1e}" if done.any() else "-"
                title = f"attack: {name}, reach={reach:g}"
                row = [title, *counts, false(record), radius, error, f"{seconds:.1f}"]
                rows.append(row)
                print(*row, sep=" | ", flush=True)
    return rows


def main():
    """Print the table, and fail if a certificate is false."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    if sum(row[4] for row in attack(options.seed, options.jobs)):
        raise SystemExit("A certificate is false.")


# Workers import this file again where processes are spawned.
if __name__ == "__main__":
    main()
