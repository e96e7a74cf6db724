"""Measure how evenly saddle dynamics samples the paper's network.

1000 searches per draw of data, from Gaussian starts near the origin, with indices drawn
uniformly; the table of ``doc/landscape.md`` in words.
"""

import warnings

import numpy as np

from skcrit import LinearAutoencoderLoss, SaddleDynamicsFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.exceptions import NotConvergedWarning
from skcrit.metrics import (
    judge,
    participation_entropy,
    participation_entropy_interval,
)
from skcrit.starts import GaussianStarts


def main():
    """Fit three draws, and print a line for each."""
    for seed in range(3):
        X = make_gaussian_spectrum(10_000, random_state=seed)
        finder = SaddleDynamicsFinder(
            LinearAutoencoderLoss((4,)),
            n_starts=1000,
            init=GaussianStarts(scale=0.05),
            tol=1e-20,
            n_jobs=2,
            random_state=seed,
        )
        with warnings.catch_warnings():
            # The share that converged is printed.
            warnings.simplefilter("ignore", NotConvergedWarning)
            finder.fit(X)
        judgement, converged = judge(finder), finder.converged_
        low, high = participation_entropy_interval(finder, random_state=0)
        print(
            f"draw {seed}: {converged.mean():.3f} converged at 1e-20, "
            f"{judgement.identified[converged].mean():.3f} of them identified, "
            f"{judgement.index_right[converged].mean():.3f} with the right index, "
            f"{participation_entropy(finder):.2f} bits [{low:.2f}, {high:.2f}], "
            f"{finder.n_critical_sets_} sets, median of "
            f"{np.median(finder.results_['n_iter']):.0f} iterations",
            flush=True,
        )


if __name__ == "__main__":
    main()
