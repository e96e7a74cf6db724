"""
Handwritten digits: how far to believe a critical point
=======================================================

The covariance of real data has tiny eigenvalues. Critical points of an autoencoder that
differ in a weak direction only lie close to each other, compared with the gradients
between them, and a search that stops too early has not decided which of them it is at.
The analytical spectrum says beforehand how strict the tolerance must be.
"""

# %%
# Data and ground truth
# ---------------------
#
# The 1797 images of 8 x 8 pixels have values from 0 to 16. Three pixels never change,
# so that 61 of the 64 eigenvalues of the covariance are positive, and they span almost
# six decades.

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from skcrit import (
    LinearAutoencoderLoss,
    NewtonMRFinder,
    NotConvergedWarning,
    TrajectoryStarts,
)
from skcrit.inspection import ConvergenceDisplay, LossIndexDisplay
from skcrit.metrics import recovery_report

X = load_digits().data / 16
losses = {size: LinearAutoencoderLoss((size,)).fit(X) for size in (3, 5)}
spectra = {size: loss.analytical_spectrum() for size, loss in losses.items()}
for size, spectrum in spectra.items():
    assert spectrum.rank == 61
    largest, smallest = spectrum.eigenvalues[0], spectrum.smallest_positive
    assert largest > 1e5 * smallest
    print(f"{spectrum}: eigenvalues from {largest:.2g} down to {smallest:.2g}")

# %%
# What the resolution asks for
# ----------------------------
#
# ``resolution`` is the largest gradient norm, at the balanced point, at which critical
# sets can be told apart. ``tol`` bounds the squared gradient norm, so it should not
# exceed the square of the resolution. The usual tolerance of 1e-10 is far too loose.

usual_tol = 1e-10
strict_tol = {size: spectrum.resolution**2 for size, spectrum in spectra.items()}
for size, tol in strict_tol.items():
    assert tol < 1e-7 * usual_tol
    print(f"{size} hidden units: tol <= {tol:.1e}")


# %%
# Two fits
# --------
#
# The weak eigenvalues make the linear systems of Newton's method badly conditioned as
# well. To reach the strict tolerance they must be solved more accurately than by
# default, with as many products as there are parameters.


def search(loss, tol, **options):
    """Search from 16 points of 16 gradient descents."""
    starts = TrajectoryStarts(by="iteration", n_trajectories=16, n_steps=2000)
    finder = NewtonMRFinder(
        n_starts=16,
        init=starts,
        tol=tol,
        store_history=True,
        n_jobs=2,
        random_state=0,
        **options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)  # the report counts them
        return finder.fit(loss)


usual, strict = {}, {}
for size, loss in losses.items():
    usual[size] = search(loss, usual_tol, max_iter=100)
    strict[size] = search(
        loss,
        strict_tol[size],
        inner_tol=1e-6,
        max_inner_iter=loss.n_params_,
        max_iter=40,
    )

# %%
# At the usual tolerance most searches converge, and none of their points can be
# identified: "converged" says that the gradient is small, not that this is a certain
# critical point.

for size, finder in usual.items():
    report = recovery_report(finder, output_dict=True)
    assert report["n_converged"] >= 8
    assert not report["resolved"]
    assert report["n_identified"] == 0
print(recovery_report(usual[3]))

# %%
# At the strict tolerance fewer searches get to the end of their budget converged, but
# every one that does is at a known critical point, with its loss and its Morse index.

for size, finder in strict.items():
    report = recovery_report(finder, output_dict=True)
    assert report["resolved"]
    assert report["n_converged"] >= 3
    assert report["precision"] == 1.0
    print(recovery_report(finder))

# %%
# The figure
# ----------
#
# Grey are analytical critical points, of which there are too many to draw all. Where
# sets cannot be told apart, eigenvalues that are not surely negative do not count, and
# the points of the loose fit lie left of the truth.

figure, axes = plt.subplots(2, 3, figsize=(10, 6), layout="constrained")
for row, size in zip(axes, losses, strict=True):
    ConvergenceDisplay.from_estimator(strict[size], ax=row[0])
    LossIndexDisplay.from_estimator(usual[size], ax=row[1], random_state=0)
    LossIndexDisplay.from_estimator(strict[size], ax=row[2], random_state=0)
    row[0].set_title(f"{size} hidden units", fontsize="medium")
    row[1].set_title(f"tol = {usual_tol:.0e}", fontsize="medium")
    row[2].set_title(f"tol = {strict_tol[size]:.0e}", fontsize="medium")
plt.show()
