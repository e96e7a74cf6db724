"""
Handwritten digits: how far to believe a critical point
=======================================================

The covariance of real data has tiny eigenvalues. Between critical points of an
autoencoder that differ in a weak direction only, the gradient stays tiny too, and a
search that stops too early has not decided which of them it approaches. The analytical
spectrum says beforehand how strict the tolerance must be.
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
for spectrum in spectra.values():
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
# exceed the square of the resolution. The usual 1e-10 is too large by seven decades.

loose_tol, strict_tol = 1e-10, 1e-18
for spectrum in spectra.values():
    print(f"tol should be at most {spectrum.resolution**2:.1e}")
    assert strict_tol <= spectrum.resolution**2 < 1e-7 * loose_tol


# %%
# Two fits each
# -------------
#
# The weak eigenvalues also make the linear systems of Newton's method badly
# conditioned. For the strict tolerance they must be solved more accurately than by
# default, with as many products as there are parameters. The larger network starts
# later on its descents: from high up, few searches would get there in seconds.

starts = {
    3: TrajectoryStarts(by="height", n_steps=1000),
    5: TrajectoryStarts(by="iteration", n_trajectories=16, n_steps=2000),
}


def search(size, tol, **options):
    """Search 16 critical points."""
    finder = NewtonMRFinder(
        n_starts=16,
        init=starts[size],
        tol=tol,
        store_history=True,
        n_jobs=2,
        random_state=0,
        **options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)  # the report counts them
        return finder.fit(losses[size])


loose, strict = {}, {}
for size, max_iter in ((3, 35), (5, 20)):
    loose[size] = search(size, loose_tol, max_iter=100)
    strict[size] = search(
        size,
        strict_tol,
        max_iter=max_iter,
        inner_tol=1e-6,
        max_inner_iter=losses[size].n_params_,
    )

# %%
# Loose tolerance
# ---------------
#
# Searches converge, but none of their points can be identified: "converged" says that
# the gradient is small, not that this is one certain critical point. Nor are the signs
# of the small Hessian eigenvalues settled, so that no Morse index is reported.

for finder in loose.values():
    report = recovery_report(finder, output_dict=True)
    assert report["n_converged"] >= 4
    assert not report["resolved"]
    assert report["n_identified"] == 0
    assert (finder.morse_indices_ == -1).all()
print(recovery_report(loose[3]))

# %%
# Strict tolerance
# ----------------
#
# Fewer searches converge within the budget, but every one that does is at an analytical
# critical point, with its loss, and every Morse index that is reported is right.

for finder in strict.values():
    report = recovery_report(finder, output_dict=True)
    assert report["resolved"]
    assert report["n_converged"] >= 3
    assert report["n_identified"] == report["n_converged"]
    assert report["loss_error"] < 1e-9
    assert report["index_error"] == 0
    print(recovery_report(finder))

# %%
# The figure
# ----------
#
# Grey are analytical critical points, of which there are too many to draw all; ticks at
# the right edge are the losses of points whose index is not resolved.

figure, axes = plt.subplots(2, 3, figsize=(10, 6), layout="constrained")
for row, size in zip(axes, losses, strict=True):
    ConvergenceDisplay.from_estimator(strict[size], ax=row[0])
    for ax, finder in ((row[1], loose[size]), (row[2], strict[size])):
        LossIndexDisplay.from_estimator(finder, ax=ax, random_state=0)
        ax.set_title(f"{size} hidden units, tol = {finder.tol:.0e}", fontsize="medium")
    row[0].set_title(f"{size} hidden units", fontsize="medium")
plt.show()
