"""
All critical points of a small network
======================================

A network with two inputs, three tanh units and one output has 13 parameters. With a
penalty on all of them its training loss grows to infinity in every direction, and its
number of critical points is finite. This example finds them, identifies those that
differ only by a symmetry of the network, and checks the list by Morse theory.
"""

# %%
# The loss
# --------
#
# :class:`~skcrit.MLPLoss` is the training loss of scikit-learn's ``MLPRegressor`` and
# ``MLPClassifier``; penalising the intercepts as well is an option of its own.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from skcrit import LandscapeExplorer, MLPLoss, NotConvergedWarning

rng = np.random.default_rng(0)
X = rng.normal(size=(20, 2))
y = np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] ** 2 - 0.5 + 0.1 * rng.normal(size=20)
loss = MLPLoss((3,), alpha=0.1, penalize_intercept=True).fit(X, y)

# %%
# The search
# ----------
#
# The explorer starts searches of every index from the points found so far. The three
# units can be permuted, and the signs of all weights of a unit can be changed, so that
# up to 48 points are equivalent. They have the same ``loss.invariants``, and the
# explorer counts points with equal invariants as one.

with warnings.catch_warnings():
    warnings.simplefilter("ignore", NotConvergedWarning)  # many searches end nowhere
    explorer = LandscapeExplorer(max_searches=300, random_state=2).fit(loss)
points = explorer.critical_points_
print(f"{len(points)} critical points, up to symmetry")

# %%
# Each of them is checked independently of the search: the gradient is zero to rounding,
# and no eigenvalue of the dense Hessian is, so that the number of negative eigenvalues,
# the Morse index, is certain. No two points have the same invariants.

# sphinx_gallery_start_ignore
assert np.max(np.abs(loss.gradient(points))) < 1e-8
# sphinx_gallery_end_ignore
eigenvalues = np.linalg.eigvalsh(loss.hessian(points))
# sphinx_gallery_start_ignore
assert np.min(np.abs(eigenvalues)) > 1e-5
# sphinx_gallery_end_ignore
index = np.sum(eigenvalues < 0, axis=1)
invariants = loss.invariants(points)
distance = np.linalg.norm(invariants[:, None] - invariants, axis=-1)
# sphinx_gallery_start_ignore
assert np.min(distance[~np.eye(len(points), dtype=bool)]) > 0.1
# sphinx_gallery_end_ignore

# %%
# Is the list complete?
# ---------------------
#
# A function that grows to infinity everywhere and has regular critical points has, by
# Morse theory, an alternating sum of one: points of even index minus points of odd
# index. All points are counted, not one for each orbit. ``orbit_size`` is smaller than
# 48 if units are zero or duplicates of each other, as they are at most saddles.

size = loss.orbit_size(points)
euler_sum = int(np.sum((-1) ** index * size))
for k in range(index.max() + 1):
    print(f"index {k}: {np.sum(index == k)} orbits, {size[index == k].sum()} points")
print(f"{size.sum()} points, alternating sum {euler_sum}")
# sphinx_gallery_start_ignore
assert len(points) <= 21 and size.sum() <= 579
assert len(points) < 21 or (euler_sum == 1 and size.sum() == 579)
assert len(points) >= 15 and np.sum(index == 0) == 1
# sphinx_gallery_end_ignore

# %%
# Thousands of runs of SciPy's root finders have found 21 orbits with 579 points. A sum
# of one does not prove that a list is complete, because missing points may cancel; any
# other sum proves that it is not.

# %%
# The landscape
# -------------
#
# There is one minimum up to symmetry. The saddles form groups by the number of units
# that contribute: if all units are zero, the network is constant and the loss is
# high; with two different units it is lower than with one.

weights = [loss.unpack(point)[0][1][:, 0] for point in points]
kinds = np.array([len(np.unique(np.abs(w[abs(w) > 1e-3]).round(3))) for w in weights])
beside = np.empty(len(points))  # neighbours of the same index, side by side
for k in np.unique(index):
    n = np.sum(index == k)
    beside[index == k] = k + 0.07 * (np.arange(n) - (n - 1) / 2)
figure, ax = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
# Colours of Okabe and Ito (2008), which colour-blind readers can distinguish.
colours = ["#000000", "#E69F00", "#56B4E9", "#009E73"]
for kind in np.unique(kinds):
    chosen = kinds == kind
    ax.scatter(
        beside[chosen],
        explorer.critical_losses_[chosen],
        s=10 + 3 * size[chosen],
        color=colours[kind],
        edgecolors="white",
        label=f"{kind} different units" if kind != 1 else "1 unit",
    )
ax.set(
    xlabel="Morse index",
    ylabel="Loss",
    xticks=range(index.max() + 1),
    title="A 2-3-1 tanh network (area: size of the orbit;\nequal indices side by side)",
)
ax.legend(loc="upper left")
plt.show()

# %%
# * K. Fukumizu and S. Amari. "Local minima and plateaus in hierarchical structures of
#   multilayer perceptrons". Neural Networks 13(3), 317-327, 2000.
