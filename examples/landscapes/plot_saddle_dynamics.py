"""
Saddle dynamics against Newton-MR
=================================

Newton-MR moves to a critical point nearby, whatever its index. Index-k saddle
dynamics searches for saddles of a given index k: it climbs along the k lowest
eigenvectors of the Hessian and descends along all others, so that these saddles
attract it (Yin, Zhang and Zhang, 2019). This example shows the effect and
the cost.
"""

# %%
# The same starts
# ---------------
#
# The network is 8-3-8. All searches begin close to the origin, which is itself a
# critical point, the one of the highest index.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from skcrit import (
    GaussianStarts,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    NotConvergedWarning,
    SaddleDynamicsFinder,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.inspection import LossIndexDisplay

X = make_gaussian_spectrum(2000, eigenvalues=np.arange(8, 0, -1), random_state=0)
loss = LinearAutoencoderLoss(hidden_layer_sizes=(3,)).fit(X)
starts = GaussianStarts(scale=0.05).sample(loss, 200, random_state=0)
common = {"n_starts": 200, "init": starts, "tol": 1e-16, "random_state": 0}

newton = NewtonMRFinder(**common).fit(loss)
dynamics = SaddleDynamicsFinder(index="uniform", **common).fit(loss)
for finder in (newton, dynamics):
    # sphinx_gallery_start_ignore
    assert finder.score() == 1.0
    # sphinx_gallery_end_ignore
    print(
        f"{type(finder).__name__}: {finder.n_critical_sets_} distinct sets of 93, "
        f"{np.mean(finder.results_['n_iter']):.0f} iterations and "
        f"{np.mean(finder.results_['n_hvp']):.0f} Hessian-vector products per search"
    )
# sphinx_gallery_start_ignore
assert newton.n_critical_sets_ == 1 and newton.morse_indices_.tolist() == [24]
assert dynamics.n_critical_sets_ > 40
# sphinx_gallery_end_ignore

# %%
# Every search of both methods ends at a true critical point with the right index. But
# Newton-MR returns to the origin from all 200 starts, whereas saddle dynamics,
# with k drawn anew for every start, reaches all parts of the landscape.

# %%
# Asking for an index
# -------------------
#
# Now every k from 0 to 24 is requested, eight times each. The points found are not
# always of index k. Critical points of this network also have flat directions, whose
# number is the nullity. The k lowest eigenvectors may include some of these, and
# climbing along a flat direction changes nothing. The index found is therefore at
# most k, and k is at most the index plus the nullity. Nearly all searches obey
# this; steps are long, and occasionally one lands near a point of another index.

asked = np.repeat(np.arange(25), 8)
targeted = SaddleDynamicsFinder(index=asked, **common)
with warnings.catch_warnings():
    # It counts the searches that found another index.
    warnings.simplefilter("ignore", NotConvergedWarning)
    targeted.fit(loss)
index, nullity = targeted.results_["morse_index"], targeted.results_["nullity"]
keeps = (index <= asked) & (asked <= index + nullity)
# sphinx_gallery_start_ignore
assert targeted.converged_.all() and targeted.score() == 1.0
assert keeps.mean() > 0.95
assert np.all(np.abs(index - asked)[~keeps] <= 2)
# sphinx_gallery_end_ignore
print(f"index <= k <= index + nullity: {keeps.sum()} of {len(keeps)} searches")
print(f"index = k: {np.sum(index == asked)}")
# sphinx_gallery_start_ignore
assert np.all(targeted.results_["critical_set"][asked == 0] == 0)
assert targeted.morse_indices_[0] == 0
# sphinx_gallery_end_ignore

# %%
# For k = 0 the method is a minimiser. All of these searches end in the global minimum,
# because this loss has no other one.

# %%
# The figure
# ----------
#
# Left and middle, the points that the two methods found from the same starts near the
# origin. Right, the index found against the index requested; the area of a mark is
# proportional to the number of searches.

figure, axes = plt.subplots(1, 3, figsize=(8.8, 3.7), layout="constrained")
for ax, finder, name in zip(
    axes[:2],
    (newton, dynamics),
    ("Newton-MR", "Saddle dynamics, k at random"),
    strict=True,
):
    LossIndexDisplay.from_estimator(finder, ax=ax)
    ax.set_title(name)
pairs, counts = np.unique(np.stack([asked, index]), axis=1, return_counts=True)
axes[2].plot([0, 24], [0, 24], color="0.6", linewidth=1, label="index = k")
axes[2].scatter(*pairs, s=8 * counts, color="#0072B2", label="searches")
axes[2].set(
    xlabel="Index k asked for",
    ylabel="Morse index found",
    title="Saddle dynamics, k given",
)
axes[2].legend(loc="upper left", fontsize="small")
plt.show()

# %%
# * J. Yin, L. Zhang and P. Zhang. "High-index optimization-based shrinking dimer
#   method for finding high-index saddle points". SIAM Journal on Scientific
#   Computing 41(6), A3576-A3595, 2019.
