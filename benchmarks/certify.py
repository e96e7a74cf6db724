"""Certify every critical set of the paper's network, and what must not be certified.

Usage: ``python benchmarks/certify.py [--seed 0] [--perturbations 10000] [--jobs 2]``.
It writes the last section of ``doc/certificates.md`` and fails if anything is wrong.
"""

import argparse
import os
import platform
import time
from collections import Counter
from pathlib import Path

import numpy as np
from certify_attacks import attack
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.preprocessing import StandardScaler

from skcrit import FunctionLoss, LandscapeExplorer, LinearAutoencoderLoss, certify
from skcrit.datasets import make_gaussian_spectrum

PAGE = Path(__file__).resolve().parents[1] / "doc" / "certificates.md"
# Searches of real data: a few on breast cancer, where they are long.
SEARCHES = {"wine": 10_000, "breast cancer": 300}
MARK = "<!-- Everything below is written by benchmarks/certify.py. -->"


def judge(record, spectrum):
    """Compare certificates with the closed form.

    Parameters
    ----------
    record : Certificates
        Certificates of any points.
    spectrum : AnalyticalSpectrum
        The truth.

    Returns
    -------
    false : int
        Certified points that are not on a critical set, or whose Morse index, nullity
        or loss is not that of their set.
    """
    done = record.take(np.flatnonzero(record.certified))
    if len(done.certified) == 0:
        return 0
    match = spectrum.match(done.point)
    sets = list(match.set)
    losses = spectrum.losses(sets)
    slack = 1e-14 * np.max(losses)  # the closed form is rounded, too
    right = match.identified
    right &= done.morse_index == spectrum.morse_indices(sets)
    right &= done.nullity == spectrum.nullities(sets)
    right &= (done.loss_low <= losses + slack) & (losses - slack <= done.loss_high)
    return int(np.sum(~right))


def explored(seed, searches, jobs):
    """Find the critical sets of the paper's network.

    Parameters
    ----------
    seed : int
        Seed of data and search.
    searches : int
        Budget.
    jobs : int
        Workers.

    Returns
    -------
    explorer : LandscapeExplorer
        Fitted explorer.
    """
    X = make_gaussian_spectrum(
        10_000, eigenvalues=np.arange(16, 0, -1.0), random_state=seed
    )
    explorer = LandscapeExplorer(
        LinearAutoencoderLoss((4,)),
        max_searches=searches,
        round_size=256,
        n_jobs=jobs,
        random_state=seed,
    )
    return explorer.fit(X)


def row(name, record, spectrum, seconds):
    """Make a row of the table.

    Parameters
    ----------
    name : str
        What was certified.
    record : Certificates
        Its certificates.
    spectrum : AnalyticalSpectrum
        The truth.
    seconds : float
        Time that it took.

    Returns
    -------
    row : list
        Entries of the table.
    """
    certified = record.certified
    radius = f"{np.min(record.radius[certified]):.1e}" if np.any(certified) else "-"
    error = f"{np.max(record.error[certified]):.1e}" if np.any(certified) else "-"
    counts = len(certified), record.n_certified, record.n_distinct
    return [name, *counts, judge(record, spectrum), radius, error, f"{seconds:.1f}"]


def perturbed(points, n, seed):
    """Move random points in random directions by 1e-14 to 3.

    Parameters
    ----------
    points : ndarray of shape (n_sets, n_params)
        Critical points.
    n : int
        Number of perturbations.
    seed : int
        Seed.

    Returns
    -------
    moved : ndarray of shape (n, n_params)
        Points.
    """
    rng = np.random.default_rng(seed)
    moves = rng.standard_normal((n, points.shape[1]))
    size = 10 ** rng.uniform(-14, 0.5, n)
    moves *= (size / np.linalg.norm(moves, axis=1))[:, None]
    return points[rng.integers(0, len(points), n)] + moves


def timed(loss, points, jobs, **params):
    """Certify points and measure the time.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    points : ndarray of shape (n, n_params)
        Points.
    jobs : int
        Workers.
    **params : dict
        Passed to certify.

    Returns
    -------
    record : Certificates
        Certificates.
    seconds : float
        Time.
    """
    begin = time.perf_counter()
    record = certify(loss, points, n_jobs=jobs, **params)
    return record, time.perf_counter() - begin


def small_perturbations(n, seed, jobs):
    """Certify perturbed points of a small network, with a small and a large reach.

    Parameters
    ----------
    n : int
        Number of points, for each reach.
    seed : int
        Seed.
    jobs : int
        Workers.

    Returns
    -------
    rows : list of list
        Rows of the table.
    """
    X = np.random.default_rng(seed).standard_normal((40, 6)) * np.arange(6, 0, -1.0)
    loss = LinearAutoencoderLoss((3,)).fit(X)
    spectrum = loss.analytical_spectrum()
    points = np.array([spectrum.representative(s) for s in spectrum.all_sets()])
    moved, rows = perturbed(points, n, seed), []
    for reach in (1e-6, 1.0):
        record, seconds = timed(loss, moved, jobs, reach=reach)
        name = f"6-3-6 perturbed by 1e-14 to 3, reach={reach:g}"
        rows.append(row(name, record, spectrum, seconds))
    return rows


def flat_loss():
    """Return exp(-x) + y^2: gradients vanish, and there is no critical point."""
    return FunctionLoss(
        lambda t: np.exp(-t[..., 0]) + t[..., 1] ** 2,
        lambda t: np.stack([-np.exp(-t[..., 0]), 2 * t[..., 1]], -1),
        lambda t, v: v * np.stack([np.exp(-t[..., 0]), 2 + 0 * t[..., 1]], -1),
        2,
        hessian_lipschitz=lambda t, r: np.exp(r - t[..., 0]),
        evaluation_error=lambda t: (1e-16 + 0 * t[..., 0],) * 3,
    ).fit()


def wrong_inputs(seed, jobs):
    """Certify what must not be certified.

    Parameters
    ----------
    seed : int
        Seed.
    jobs : int
        Workers.

    Returns
    -------
    rows : list of list
        Rows of the table, each with its most frequent reason.
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, 6)) * np.arange(6, 0, -1.0)
    loss, deep = (
        LinearAutoencoderLoss((3,)).fit(X),
        LinearAutoencoderLoss((2, 2)).fit(X),
    )
    few = LinearAutoencoderLoss((3,)).fit(X[:4])
    spectrum = few.analytical_spectrum()

    def valley(t):
        b = rng.standard_normal((6, 1))
        b /= np.linalg.norm(b)
        first = np.vstack([b.T / t, np.zeros((2, 6))])
        return loss.pack([first, np.hstack([t * b, np.zeros((6, 2))])])

    flat = np.stack([rng.uniform(30, 700, 100), np.zeros(100)], axis=-1)
    beyond = [np.inf, np.nan] * loss.n_params_
    kinds = {
        "valley points": (loss, [valley(10.0**k) for k in range(100)]),
        "points at infinity": (loss, [valley(1e150), beyond[: loss.n_params_]]),
        "gradient-flat points, exp(-x) + y^2": (flat_loss(), flat),
        "degenerate points, 6-2-2-6": (deep, [np.zeros(deep.n_params_)]),
        "degenerate points, 4 samples": (
            few,
            [spectrum.representative(s) for s in spectrum.all_sets()],
        ),
    }
    rows = []
    for name, (at, points) in kinds.items():
        record, seconds = timed(at, np.array(points), jobs)
        proved = int(np.sum(record.certified | record.estimated))
        causes = Counter(str(reason).split(":")[0] for reason in record.reason)
        title = f"wrong: {name} ({causes.most_common(1)[0][0]})"
        counts = [len(points), proved, record.n_distinct, proved]
        rows.append([title, *counts, "-", "-", f"{seconds:.1f}"])
    return rows


def real_data(jobs):
    """Certify all sets of real data.

    Parameters
    ----------
    jobs : int
        Workers.

    Returns
    -------
    rows : list of list
        Rows of the table: of the sets as the closed form has them, and as the explorer
        finds them.
    """
    rows = []
    for name, load in (("wine", load_wine), ("breast cancer", load_breast_cancer)):
        X = StandardScaler().fit_transform(load().data)
        loss = LinearAutoencoderLoss((2,)).fit(X)
        spectrum = loss.analytical_spectrum()
        sets = spectrum.all_sets()
        kinds = {"closed form": np.array([spectrum.representative(s) for s in sets])}
        explorer = LandscapeExplorer(
            max_searches=SEARCHES[name], n_jobs=jobs, random_state=0
        ).fit(loss)
        kinds["explorer"] = explorer.critical_points_
        for kind, points in kinds.items():
            record, seconds = timed(loss, points, jobs)
            title = f"{name}, standardised, p = 2, {kind}"
            rows.append(row(title, record, spectrum, seconds))
            print(title, record, sep="\n", flush=True)
    return rows


def main():
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--searches", type=int, default=10_000)
    parser.add_argument("--perturbations", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    explorer = explored(options.seed, options.searches, options.jobs)
    loss, points = explorer.loss_, explorer.critical_points_
    spectrum = loss.analytical_spectrum()
    record, seconds = timed(loss, points, options.jobs)
    print(record, f"{seconds:.1f} seconds", sep="\n", flush=True)
    rows = [row("16-4-16, as the explorer found them", record, spectrum, seconds)]
    rng = np.random.default_rng(options.seed)
    moves = rng.standard_normal(points.shape)
    moves *= 1e-3 / np.linalg.norm(moves, axis=1)[:, None]
    off, seconds_off = timed(loss, points + moves, options.jobs)
    rows.append(row("16-4-16, each point 1e-3 off", off, spectrum, seconds_off))
    rows += small_perturbations(options.perturbations, options.seed, options.jobs)
    rows += wrong_inputs(options.seed, options.jobs)
    rows += real_data(options.jobs)
    rows += attack(options.seed, options.jobs)
    write(rows, options)
    complete = record.n_distinct == record.n_certified == spectrum.n_sets == len(points)
    if not complete or off.n_certified or sum(r[4] for r in rows):
        raise SystemExit("Something is not certified that should be, or the reverse.")


def write(rows, options):
    """Write the table into the page.

    Parameters
    ----------
    rows : list of list
        Its rows.
    options : argparse.Namespace
        Options of the command.
    """
    names = ["what", "points", "certified", "distinct", "false"]
    names += ["least radius", "largest error", "seconds"]
    table = [names, ["---"] * len(names), *rows]
    lines = ["| " + " | ".join(map(str, r)) + " |" for r in table]
    text = PAGE.read_text(encoding="utf-8").split(MARK)[0]
    head = (
        f"`make certify`, seed {options.seed}, {options.jobs} workers on "
        f"{os.cpu_count()} cores ({platform.machine()}), Python "
        f'{platform.python_version()}, NumPy {np.__version__}. "False" counts '
        "certified points whose set, Morse index, nullity or loss contradicts the "
        "closed form, or for networks with activations Newton's method in decimals of "
        "60 digits; radius and error are those of the certified points."
    )
    PAGE.write_text("\n".join([text + MARK, "", head, "", *lines, ""]), "utf-8")
    print(*lines, sep="\n")


# Workers import this file again where processes are spawned.
if __name__ == "__main__":
    main()
