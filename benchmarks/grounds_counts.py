"""Count the critical sets of every ground once more, by a search of its own.

Usage: ``python benchmarks/grounds_counts.py``; ``make grounds`` writes the table into
``doc/proving_grounds.md``. The lists of the grounds are closed forms, or digits that
the finders of the package found. Here Levenberg and Marquardt's method, written for
this table, searches from starts of several sizes and shapes; it shares with the package
the derivatives only, which tests compare with complex steps. Minima of clusters are
found by SciPy. A third check is topology: the sum of (-1)^index over all points of the
list, or of Euler characteristics, must be that of the space on which the loss lives. An
end that is not of the list, and any difference, fail the program.
"""

import argparse
from math import factorial

import numpy as np
from scipy.optimize import minimize

from skcrit import LinearNetworkLoss
from skcrit.proving_grounds import (
    make_brockett_cost,
    make_central_configurations,
    make_himmelblau,
    make_lennard_jones,
    make_mueller_brown,
    make_orthogonal_tensor,
    make_phase_retrieval,
    make_quadratic_network,
    make_separable_quartic,
    make_six_hump_camel,
    make_three_hump_camel,
)
from skcrit.proving_grounds.phase_retrieval import PhaseRetrieval
from skcrit.proving_grounds.quadratic_network import QuadraticNetwork

N_ITER, TINY = 300, 1e-11


def linear_network():
    """Return the linear network 4-2-4, whose 11 sets are known in closed form."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 4)) * np.sqrt([4, 3, 2, 1])
    Y = X @ rng.standard_normal((4, 4)) + rng.standard_normal((200, 4))
    return LinearNetworkLoss((2,)).fit(X, Y)


# A ground, the number of starts, what the list is made of, and the Euler characteristic
# of the space: 1 if it is flat and the loss grows in every direction.
GROUNDS = {
    "linear network 4-2-4": (linear_network, 500, "closed form", None),
    "quadratic network (4, 2)": (make_quadratic_network, 1000, "closed form", 1),
    "quadratic network (5, 2)": (
        lambda: make_quadratic_network([5, 4, 3, 2, 1]),
        2000,
        "closed form",
        1,
    ),
    "quadratic network (4, 3)": (
        lambda: make_quadratic_network([4, 3, 2, 1], 3),
        2000,
        "closed form",
        1,
    ),
    "phase retrieval, n = 5": (make_phase_retrieval, 200, "closed form", 1),
    "tensor, n = 4, d = 3": (make_orthogonal_tensor, 2000, "closed form", 0),
    "tensor, n = 5, d = 4": (
        lambda: make_orthogonal_tensor(np.arange(5) + 5.0, 4),
        2000,
        "closed form",
        2,
    ),
    "tensor, n = 6, d = 3": (
        lambda: make_orthogonal_tensor(np.arange(6) + 5.0),
        8000,
        "closed form",
        0,
    ),
    "Brockett on St(4, 2)": (make_brockett_cost, 1000, "closed form", 0),
    "Brockett on St(4, 4)": (
        lambda: make_brockett_cost([1, 2, 4, 8], [4, 3, 2, 1]),
        1000,
        "closed form",
        0,
    ),
    "separable quartic, n = 4": (
        lambda: make_separable_quartic(4, tilt=[0.05, 0.1, 0.15, 0.2]),
        4000,
        "closed form",
        1,
    ),
    **{
        f"central configurations, n = {n}": (
            lambda n=n: make_central_configurations(n),
            starts,
            "searches; proved by others" if n > 4 else "searches",
            (-1) ** n * factorial(n - 2),
        )
        for n, starts in ((3, 200), (4, 500), (5, 1000), (6, 1500), (7, 4000))
    },
    "Mueller-Brown": (make_mueller_brown, 500, "searches", 1),
    "Himmelblau": (make_himmelblau, 500, "searches; Bezout", 1),
    "six-hump camel": (make_six_hump_camel, 1000, "elimination", 1),
    "three-hump camel": (make_three_hump_camel, 300, "elimination", 1),
}
CLUSTERS = {3: 10, 4: 20, 5: 30, 6: 60, 7: 150, 8: 400}


def solved(loss, theta):
    """Minimise the gradient norm from all starts at once; return what is critical."""
    n, lam = theta.shape[1], np.full(len(theta), 1e-2)
    active = np.arange(len(theta))
    for _ in range(N_ITER):
        at = theta[active]
        g, H = loss.gradient(at), loss.hessian(at)
        size = np.linalg.norm(H, axis=(1, 2))
        going = np.linalg.norm(g, axis=1) > TINY * size
        active, at, g, H, size = (a[going] for a in (active, at, g, H, size))
        if len(active) == 0:
            break
        shift = (lam[active] * size**2)[:, None, None] * np.eye(n)
        Hg = np.einsum("rij,rj->ri", H, g)
        step = np.linalg.solve(H @ H + shift, Hg[..., None])[..., 0]
        trial = loss.gradient(at - step)
        better = np.linalg.norm(trial, axis=1) < np.linalg.norm(g, axis=1)
        theta[active[better]] -= step[better]
        lam[active] = np.clip(lam[active] * np.where(better, 0.2, 5), 1e-16, 1e4)
    g, H = loss.gradient(theta), loss.hessian(theta)
    with np.errstate(all="ignore"):
        small = np.linalg.norm(g, axis=1) <= 10 * TINY * np.linalg.norm(H, axis=(1, 2))
    return theta[small]


def starts_of(loss, n_starts):
    """Draw starts of several sizes; of configurations also symmetric ones."""
    rng = np.random.default_rng(17)
    streams = [np.random.default_rng((3, i)) for i in range(n_starts)]
    starts = loss.draw_starts(streams) * rng.uniform(0.3, 1.3, size=(n_starts, 1))
    if hasattr(loss, "n_bodies"):
        bodies = starts.reshape(n_starts, -1, 2)
        # A third with an axis of symmetry, and a third collinear: steps keep both.
        for k in range(n_starts // 3):
            pairs = rng.integers(0, loss.n_bodies // 2 + 1)
            bodies[k, :pairs] = bodies[k, pairs : 2 * pairs] * [-1, 1]
            bodies[k, 2 * pairs :, 0] = 0
        bodies[n_starts // 3 : 2 * (n_starts // 3), :, 1] = 0
    return starts


def minima(loss, n_starts):
    """Find minima of a cluster by SciPy."""
    ends = []
    for start in loss.draw_starts([
        np.random.default_rng((5, i)) for i in range(n_starts)
    ]):
        end = minimize(loss.value, start, jac=loss.gradient, method="L-BFGS-B").x
        ends.append(end)
    ends = solved(loss, np.array(ends))
    values = np.linalg.eigvalsh(loss.hessian(ends))
    held = np.sum(np.abs(values) < 1e-6, axis=1) == (6 if loss.n_atoms > 2 else 5)
    return ends[held & (values[:, 0] > -1e-6)]


def euler(loss, truth):
    """Sum (-1)^index over all points, or over Euler characteristics of orbits."""
    names = truth.all_sets()
    signs = (-1) ** np.asarray(truth.morse_indices(names))
    rotates = isinstance(loss, (QuadraticNetwork, PhaseRetrieval))
    sizes = (loss.orbit_euler if rotates else loss.orbit_size)(truth.points)
    return int(np.sum(signs * sizes))


def counted(name):
    """Return a row of the table; ValueError if anything differs."""
    space = None
    if isinstance(name, int):
        loss, n_starts = make_lennard_jones(name), CLUSTERS[name]
        source, title = "published", f"Lennard-Jones, {name} atoms (minima)"
        ends = minima(loss, n_starts)
    else:
        make, n_starts, source, space = GROUNDS[name]
        loss, title = make(), name
        ends = solved(loss, starts_of(loss, n_starts))
        if name == "Mueller-Brown":  # far away its exponentials vanish
            low, high = np.array(loss._box)
            ends = ends[np.all((ends > low) & (ends < high), axis=1)]
    truth = loss.ground_truth()
    match = truth.match(ends)
    if not np.all(match.identified):
        raise ValueError(f"{title}: a search ended at a point that is not of the list.")
    total = "" if space is None else euler(loss, truth)
    found = len({str(s) for s in match.set})
    if found != truth.n_sets or total not in ("", space):
        raise ValueError(
            f"{title}: {truth.n_sets} sets listed, {found} found; {total}."
        )
    ways = f"{total} of {space}" if space is not None else ""
    return [title, truth.n_sets, source, found, n_starts, len(ends), ways]


def counts(names=(*GROUNDS, *CLUSTERS)):
    """Return the lines of the table."""
    lines = ["### Counts by a second method", ""]
    lines += [
        "The table lists the sets of each ground and those that a search outside the "
        "package finds; ends are the starts that ended at critical points. The last "
        "column is the Euler sum of the list and the value that it must have, blank "
        "if it decides nothing."
    ]
    lines += ["", "| ground | listed | source | found | starts | ends | Euler sum |"]
    lines += ["|---" * 7 + "|"]
    for name in names:
        lines.append("| " + " | ".join(map(str, counted(name))) + " |")
        print(lines[-1], flush=True)
    return [*lines, ""]


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    counts()
