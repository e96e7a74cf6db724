"""
First steps: critical points of a small network
===============================================

A linear autoencoder compresses data through a narrow layer and reconstructs them. Its
loss has one minimum and many saddles, and all of them are known in closed form. A
finder searches for them, given the loss alone. Afterwards its results are compared with
the truth.
"""

# %%
# Data
# ----
#
# Two thousand Gaussian samples of five features, with variances 5, 4, 3, 2 and 1.

import matplotlib.pyplot as plt
import numpy as np

from skcrit import (
    AnalyticalSpectrum,
    LinearAutoencoderLoss,
    LinearNetworkLoss,
    NewtonMRFinder,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.inspection import ConvergenceDisplay, LossIndexDisplay
from skcrit.metrics import recovery_report

X = make_gaussian_spectrum(2000, eigenvalues=[5, 4, 3, 2, 1], random_state=0)

# %%
# Search
# ------
#
# The network has two hidden units: 5-2-5, twenty parameters. Each of the 60 searches
# begins at an iterate of gradient descent and searches by Newton-MR for a point at
# which the gradient is zero. Such a point can be a minimum or a saddle.

loss = LinearAutoencoderLoss(hidden_layer_sizes=(2,))
finder = NewtonMRFinder(loss, n_starts=60, store_history=True, random_state=0)
finder.fit(X)
print(f"{finder.converged_.sum()} of {finder.n_starts} searches converged")

# %%
# What was found
# --------------
#
# Many searches end at the same critical point, up to the symmetries of the network.
# The finder groups them. For every distinct set it reports the loss, the Morse index
# (the number of directions that lead down) and the nullity (the number of flat ones).

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
# The first set has the lowest loss. Its index is 0, so it is a minimum. It is the
# solution of principal component analysis: its loss is the variance of
# the three components that two hidden units cannot represent, averaged over five
# features.

left_over = finder.loss_.eigenvalues_[2:].sum() / 5
# sphinx_gallery_start_ignore
np.testing.assert_allclose(finder.critical_losses_[0], left_over, rtol=1e-9)
assert finder.morse_indices_[0] == 0
# sphinx_gallery_end_ignore

# %%
# Comparison with the truth
# -------------------------
#
# There is one critical set for every choice of at most two of the five
# eigenvectors of the covariance: 1 + 5 + 10 of them. The report lists the sets by the
# eigenvectors that they contain. Every search ended at a true critical point, with
# its loss and its index, but not every set was found.

spectrum = AnalyticalSpectrum.from_eigenvalues(finder.loss_.eigenvalues_, (2,))
print(f"{spectrum.n_sets} critical sets exist")
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

# %%
# Networks with targets
# ---------------------
#
# The critical points of a linear network that predicts targets are known as well.

Y = X @ np.random.default_rng(0).normal(size=(5, 3))
network = LinearNetworkLoss(hidden_layer_sizes=(2,))
predictor = NewtonMRFinder(network, n_starts=30, random_state=0).fit(X, Y)
print(f"{predictor.n_critical_sets_} sets found, score {predictor.score():.2f}")

# sphinx_gallery_start_ignore
assert predictor.score() == 1.0
# sphinx_gallery_end_ignore
