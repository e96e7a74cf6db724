"""
Handwritten digits: how reliable is a critical point?
=====================================================

The covariance of real data has tiny eigenvalues. Between critical points of an
autoencoder that differ only in a weak direction, the gradient is tiny too, so that a
search that stops too early does not determine which of them it approaches. The
analytical spectrum shows beforehand how strict the tolerance must be.
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
loss = LinearAutoencoderLoss((3,)).fit(X)
spectrum = loss.analytical_spectrum()
largest, smallest = spectrum.eigenvalues[0], spectrum.smallest_positive
# sphinx_gallery_start_ignore
assert spectrum.rank == 61
assert largest > 1e5 * smallest
# sphinx_gallery_end_ignore
print(f"{spectrum}: eigenvalues from {largest:.2g} down to {smallest:.2g}")

# %%
# The resolution
# --------------
#
# ``resolution`` is the largest gradient norm, at the balanced point, at which critical
# sets can be distinguished. ``tol`` bounds the squared gradient norm, so it should not
# exceed the square of the resolution. The usual 1e-10 is too large by seven decades.

loose_tol, strict_tol = 1e-10, 1e-18
print(f"tol should be at most {spectrum.resolution**2:.1e}")
# sphinx_gallery_start_ignore
assert strict_tol <= spectrum.resolution**2 < 1e-7 * loose_tol
# sphinx_gallery_end_ignore


# %%
# Two fits
# --------
#
# The weak eigenvalues also make the linear systems of Newton's method badly
# conditioned. For the strict tolerance they must be solved more accurately than by
# default, with as many products as there are parameters.


def search(tol, **options):
    """Search 16 critical points."""
    finder = NewtonMRFinder(
        n_starts=16,
        init=TrajectoryStarts(by="height", n_steps=1000),
        tol=tol,
        store_history=True,
        random_state=0,
        **options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)  # the report counts them
        return finder.fit(loss)


accurate = {"inner_tol": 1e-6, "max_inner_iter": loss.n_params_}
loose = search(loose_tol, max_iter=100)
strict = search(strict_tol, max_iter=35, **accurate)

# %%
# Loose tolerance
# ---------------
#
# Nearly all searches reach the tolerance, but Newton steps from there lead far away:
# their status is UNCONFIRMED. The gradient is small although no critical point is
# nearby. Points that are not confirmed are not reported as critical points.

report = recovery_report(loose, output_dict=True)
reached = loose.results_["squared_balanced_grad_norm"] <= loose_tol
# sphinx_gallery_start_ignore
assert reached.sum() >= 12
assert report["status"]["UNCONFIRMED"] >= 10
assert report["n_identified"] == 0
assert not report["resolved"]
# sphinx_gallery_end_ignore
print(recovery_report(loose))

# %%
# Strict tolerance
# ----------------
#
# Fewer searches reach this tolerance within the budget, but all that do are at an
# analytical critical point, with its loss and its Morse index.

report = recovery_report(strict, output_dict=True)
# sphinx_gallery_start_ignore
assert report["resolved"]
assert report["n_converged"] >= 3
assert report["n_hits"] == report["n_identified"] == report["n_converged"]
assert report["loss_error"] < 1e-9
assert report["index_error"] == 0
# sphinx_gallery_end_ignore
print(recovery_report(strict))

# %%
# The figure
# ----------
#
# Above, the searches with the loose and the strict tolerance. Below, the critical
# points that the strict ones found, over a random sample of the analytical ones
# (grey), which are too many to draw.

figure, axes = plt.subplot_mosaic(
    [["loose", "strict"], ["found", "found"]], figsize=(7.4, 6.2), layout="constrained"
)
for name, finder in (("loose", loose), ("strict", strict)):
    ConvergenceDisplay.from_estimator(finder, ax=axes[name])
    axes[name].set_title(f"tol = {finder.tol:.0e}", fontsize="medium")
LossIndexDisplay.from_estimator(strict, ax=axes["found"], random_state=0)
axes["found"].set_title(f"Found with tol = {strict_tol:.0e}", fontsize="medium")
plt.show()
