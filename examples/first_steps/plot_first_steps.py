"""
First steps: critical points of a small network
===============================================

A linear autoencoder compresses data through a narrow layer and reconstructs them. Its
loss has one minimum and many saddles, and all of them are known in closed form. A
finder searches them from the loss alone. Afterwards its findings are compared with
the truth.
"""

# %%
# Data
# ----
#
# Two thousand Gaussian samples of five features, with variances 5, 4, 3, 2 and 1.

import matplotlib.pyplot as plt
import numpy as np

from skcrit import LinearAutoencoderLoss, NewtonMRFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.inspection import ConvergenceDisplay, LossIndexDisplay
from skcrit.metrics import recovery_report

X = make_gaussian_spectrum(2000, eigenvalues=[5, 4, 3, 2, 1], random_state=0)

# %%
# Search
# ------
#
# The network has two hidden units: 5-2-5, twenty parameters. Each of the 60 searches
# begins at an iterate of gradient descent and looks for a point without gradient by
# Newton-MR. Such a point can be a minimum or a saddle.

loss = LinearAutoencoderLoss(hidden_layer_sizes=(2,))
finder = NewtonMRFinder(loss, n_starts=60, store_history=True, random_state=0)
finder.fit(X)
print(f"{finder.converged_.sum()} of {finder.n_starts} searches converged")

# %%
# What was found
# --------------
#
# Many searches end at the same critical point, up to the symmetries of the network.
# The finder groups them. For every distinct set it gives the loss, the Morse index
# (how many directions lead down) and the nullity (how many are flat).

# sphinx_gallery_start_ignore
assert finder.converged_.all()
# sphinx_gallery_end_ignore
for number in range(finder.n_critical_sets_):
    print(
        f"set {number}: loss {finder.critical_losses_[number]:.4f}, "
        f"index {finder.morse_indices_[number]}, "
        f"nullity {finder.nullities_[number]}, found {finder.counts_[number]} times"
    )

# %%
# The first set has the lowest loss. Its index is 0, so it is a minimum, and it is
# what principal component analysis gives: the error that is left is the variance of
# the three components that two hidden units cannot hold, averaged over five features.

spectrum = finder.loss_.analytical_spectrum()
left_over = finder.loss_.eigenvalues_[2:].sum() / 5
# sphinx_gallery_start_ignore
np.testing.assert_allclose(finder.critical_losses_[0], left_over, rtol=1e-9)
assert finder.morse_indices_[0] == 0
# sphinx_gallery_end_ignore

# %%
# Was it right?
# -------------
#
# The truth has one critical set for every choice of at most two of the five
# eigenvectors of the covariance: 1 + 5 + 10 of them. The report lists the sets by the
# eigenvectors that they contain. Every search ended at a true critical point, with
# its loss and its index; but not every set was found.

# sphinx_gallery_start_ignore
assert spectrum.n_sets == 16
# sphinx_gallery_end_ignore
report = recovery_report(finder, output_dict=True)
# sphinx_gallery_start_ignore
assert report["accuracy"] == 1.0
assert 5 < finder.n_critical_sets_ < 16
# sphinx_gallery_end_ignore
print(recovery_report(finder))

# %%
# The figure
# ----------
#
# Left, every search: the squared gradient norm stays large at first, rises when a step
# leads into another region, and in the end falls quadratically, down to what rounding
# allows. Right, the critical points found, over all that exist.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
ConvergenceDisplay.from_estimator(finder, ax=axes[0])
LossIndexDisplay.from_estimator(finder, ax=axes[1])
plt.show()
