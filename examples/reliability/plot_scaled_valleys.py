"""
Badly scaled valleys: a gradient that vanishes without a critical point
=======================================================================

The loss of a linear network does not change if one layer is multiplied by a number
and the next one divided by it, but its gradient does. Along such a valley the gradient
can become arbitrarily small far from any critical point. This example moves
along such a valley, shows which quantity detects it, and how it affects a search.
"""

# %%
# Along a valley
# --------------
#
# The data have covariance diag(4, 3, 2, 1), the network has one hidden unit, and its
# end-to-end matrix is ``b b^T`` with ``b = (1, 1, 1, 1) / 2``: it projects onto a
# direction that is not an eigenvector. The loss is 1.875, and no critical point has
# this loss.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from skcrit import (
    GradNormFinder,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    NotConvergedWarning,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.inspection import ConvergenceDisplay

X = make_gaussian_spectrum(100, eigenvalues=[4, 3, 2, 1], exact=True, random_state=0)
loss = LinearAutoencoderLoss(hidden_layer_sizes=(1,)).fit(X)
spectrum = loss.analytical_spectrum()
b = loss.eigenvectors_ @ np.full(4, 0.5)
scales = np.logspace(0, 6, 25)
walk = np.stack([
    loss.pack([b[np.newaxis] / scale, scale * b[:, np.newaxis]]) for scale in scales
])
# sphinx_gallery_start_ignore
np.testing.assert_allclose(loss.value(walk), 1.875)
assert np.abs(spectrum.losses(spectrum.all_sets()) - 1.875).min() > 0.1
# sphinx_gallery_end_ignore

# %%
# The first layer is divided by ``scale``, the second one multiplied. The squared
# gradient norm falls with the square of the scale, far below every usual tolerance.

squared = np.sum(loss.gradient(walk) ** 2, axis=-1)
# sphinx_gallery_start_ignore
np.testing.assert_allclose(squared, squared[0] / scales**2, rtol=1e-3)
assert squared[-1] < 1e-12
# sphinx_gallery_end_ignore

# %%
# The balanced gradient
# ---------------------
#
# Every end-to-end matrix has a factorisation whose layers are of equal size, which
# ``rescale`` returns. The gradient at that point, the balanced gradient,
# depends only on the end-to-end matrix, and does not change along the valley.

balanced = np.sum(loss.gradient(loss.rescale(walk)) ** 2, axis=-1)
# sphinx_gallery_start_ignore
np.testing.assert_allclose(balanced, balanced[0], rtol=1e-6)
# sphinx_gallery_end_ignore
print(f"gradient norm at scale 1e6: {squared[-1] ** 0.5:.1e}")
print(f"balanced gradient norm:     {balanced[-1] ** 0.5:.3f}")

# %%
# Finders require both: a start has reached ``tol`` if its squared gradient norm is
# at most ``tol`` at its own point and at the balanced one. A finder without iterations
# only examines its starts, and rejects this one.

tol = 1e-10
judge = NewtonMRFinder(n_starts=1, init=walk[-1:], tol=tol, max_iter=0, balance=False)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", NotConvergedWarning)
    judge.fit(loss)
# sphinx_gallery_start_ignore
assert judge.results_["squared_grad_norm"][0] < tol
assert not judge.converged_[0]
# sphinx_gallery_end_ignore

# %%
# The effect on a search
# ----------------------
#
# A minimiser of the gradient norm follows these valleys, because the gradient norm
# falls along them, ever more slowly. ``balance=True``, the default, moves an iterate
# back to the balanced point of its orbit if it is far from it. This changes
# neither the loss nor the end-to-end matrix. Here are 40 searches on a network 8-3-8
# without and with balancing.

data = make_gaussian_spectrum(2000, eigenvalues=np.arange(8, 0, -1), random_state=0)
finders = []
for balance in (False, True):
    finder = GradNormFinder(
        LinearAutoencoderLoss(hidden_layer_sizes=(3,)),
        n_starts=40,
        minimizer="l-bfgs",
        tol=tol,
        balance=balance,
        fallback=False,
        max_iter=300,
        store_history=True,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        finders.append(finder.fit(data))
    print(f"balance={balance}: {finder.converged_.sum()} of 40 searches converged")

free, balanced_finder = finders
# sphinx_gallery_start_ignore
assert free.converged_.mean() < 0.6
assert balanced_finder.converged_.mean() > 0.9
# sphinx_gallery_end_ignore

# %%
# The figure
# ----------
#
# Above, the valley: the squared gradient norm falls by twelve decades, the balanced one
# is constant. Below, the searches.

figure, axes = plt.subplot_mosaic(
    [["valley", "valley"], [False, True]], figsize=(7.4, 6.2), layout="constrained"
)
valley = axes["valley"]
valley.loglog(scales, squared, color="#0072B2", label="at the point")
valley.loglog(scales, balanced, "--", color="#E69F00", label="balanced point")
valley.axhline(tol, color="black", linestyle=":", label=f"tol = {tol:.0e}")
valley.set(
    xlabel="Factor between the layers (scale)",
    ylabel="Squared gradient norm",
    title="A walk along a valley, loss = 1.875",
)
# Between the curves, none of which it may cover.
valley.legend(loc="upper right", bbox_to_anchor=(1.0, 0.93), fontsize="small")
for finder in finders:
    ax = axes[finder.balance]
    ConvergenceDisplay.from_estimator(finder, ax=ax)
    ax.set(title=f"L-BFGS, balance={finder.balance}", ylim=(1e-13, 1e5))
plt.show()
