"""
Sampling bias: which critical points are found?
===============================================

Which critical point a search finds depends on its start. A sample of critical points is
therefore not representative of all of them. On a linear network
the bias can be measured, because the whole population is known: each of its critical
sets is a choice of eigenvectors of the covariance.
"""

# %%
# Three samplers
# --------------
#
# The network is 8-3-8; it has 93 critical sets. All samplers make 200 searches. Two
# of them begin on paths of gradient descent, as in the study of Frye et al.
# (2019): at an iterate drawn uniformly ("iteration"), or at a loss drawn uniformly
# ("height"). The third begins near the origin, with index-k saddle dynamics, in which k
# is drawn at random.

import matplotlib.pyplot as plt
import numpy as np

from skcrit import (
    GaussianStarts,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    SaddleDynamicsFinder,
    TrajectoryStarts,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.inspection import ParticipationDisplay
from skcrit.metrics import (
    chao1_richness,
    good_turing_coverage,
    participation_counts,
    participation_entropy,
    uniformity_test,
)

X = make_gaussian_spectrum(2000, eigenvalues=np.arange(8, 0, -1), random_state=0)
loss = LinearAutoencoderLoss(hidden_layer_sizes=(3,))
common = {"loss": loss, "n_starts": 200, "tol": 1e-16, "random_state": 0}
samplers = {
    "Newton-MR, by iteration": NewtonMRFinder(
        init=TrajectoryStarts("iteration", n_trajectories=4, n_steps=3000), **common
    ),
    "Newton-MR, by height": NewtonMRFinder(
        init=TrajectoryStarts("height", n_trajectories=4, n_steps=3000), **common
    ),
    "Saddle dynamics": SaddleDynamicsFinder(
        init=GaussianStarts(scale=0.05), index="uniform", **common
    ),
}
for finder in samplers.values():
    finder.fit(X)
    # sphinx_gallery_start_ignore
    assert finder.score() == 1.0
    # sphinx_gallery_end_ignore

# %%
# Participation
# -------------
#
# How often does each eigenvector take part in the points found? The study measures the
# entropy of these shares, in bits: the higher, the more even. If all 93 sets were
# equally likely, each eigenvector would be in 29 of them, and the origin, which
# contains none, has a bin of its own. Their entropy is 3.03 bits.

population = np.array([29] * 8 + [1])
shares = population / population.sum()
uniform_entropy = -np.sum(shares * np.log2(shares))
entropies = {}
for name, finder in samplers.items():
    entropies[name] = participation_entropy(finder, bias_correction="jackknife")
    print(f"{name}: {entropies[name]:.2f} bits, {participation_counts(finder)}")
print(f"uniform over sets: {uniform_entropy:.2f} bits")

by_iteration, by_height, dynamics = entropies.values()
# sphinx_gallery_start_ignore
assert by_iteration < 2.0 < by_height < 2.95
assert abs(dynamics - uniform_entropy) < 0.1
# sphinx_gallery_end_ignore

# %%
# Is it uniform?
# --------------
#
# An even histogram of eigenvectors is less than a uniform sample of critical sets.
# ``uniformity_test`` compares the counts with those of simulated uniform samples. It
# rejects all three samplers. But the distance from uniform, relative to that expected
# by chance, is smallest for saddle dynamics, over sets as well as over eigenvectors.

distances = {}
for name, finder in samplers.items():
    for over in ("sets", "eigenvectors"):
        result = uniformity_test(finder, over=over, n_resamples=499, random_state=0)
        # sphinx_gallery_start_ignore
        assert result.pvalue < 0.01
        # sphinx_gallery_end_ignore
        distances[name, over] = result.statistic / np.sum(result.expected > 0)
    values = [f"{distances[name, o]:.1f}" for o in ("sets", "eigenvectors")]
    print(f"{name}: distance over sets, eigenvectors: {values}")
# sphinx_gallery_start_ignore
for over in ("sets", "eigenvectors"):
    iteration, height, third = (distances[name, over] for name in samplers)
    assert third < height < iteration
# sphinx_gallery_end_ignore

# %%
# What is still unseen
# --------------------
#
# Without knowledge of the population, coverage (how probable is it that the next
# search ends in a known set?) and richness (how many sets are there?) can be
# estimated from the counts alone. The coverage is a property of the sampler. The
# richness is a lower bound if the sampler is biased: here it is too low for all three.

for name, finder in samplers.items():
    found, n_sets = finder.n_critical_sets_, 93
    coverage = good_turing_coverage(finder.counts_)
    richness = chao1_richness(finder.counts_)
    # sphinx_gallery_start_ignore
    assert found <= richness < n_sets
    # sphinx_gallery_end_ignore
    print(
        f"{name}: {found} of {n_sets} sets, coverage {coverage:.2f}, "
        f"richness {richness:.0f}"
    )

# %%
# The figure
# ----------

figure, axes = plt.subplots(
    3, 1, figsize=(7, 7.8), layout="constrained", sharex=True, sharey=True
)
for ax, (name, finder) in zip(axes, samplers.items(), strict=True):
    ParticipationDisplay.from_estimator(finder, ax=ax, random_state=0)
    ax.set_title(name)
    ax.label_outer()
axes[0].set_ylim(0, 0.45)
plt.show()

# %%
# * C. G. Frye, N. S. Wadia, M. R. DeWeese and K. E. Bouchard. "Numerically
#   recovering the critical points of a deep linear autoencoder". arXiv:1901.10603,
#   2019.
