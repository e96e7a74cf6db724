"""
How strict must the tolerance be?
=================================

A numerical critical point is a point where the gradient is small. How small is small
enough? Here all searches are run once, and are looked at where they pass each
tolerance: which of these points are what they claim to be?
"""

# %%
# One run for all tolerances
# --------------------------
#
# ``tolerance_curve`` runs every search to the strictest tolerance, and describes it
# wherever it passes another one. Infinity stands for the starting points.

import matplotlib.pyplot as plt
import numpy as np

from skcrit import LinearAutoencoderLoss, NewtonMRFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.metrics import judge
from skcrit.model_selection import tolerance_curve

X = make_gaussian_spectrum(2000, eigenvalues=np.arange(8, 0, -1), random_state=0)
finder = NewtonMRFinder(LinearAutoencoderLoss((3,)), n_starts=60, random_state=0)
curve = tolerance_curve(finder, X, [np.inf, *np.logspace(0, -16, 17)])
for row in zip(curve.tols, curve.converged, curve.accuracy, curve.n_hvp, strict=True):
    print("tol {:5.0e}  reached {:.2f}  accuracy {:.2f}  products {:.0f}".format(*row))

# %%
# Three questions
# ---------------
#
# Did the search reach the tolerance? Is the point near one certain analytical
# critical set, and near no other (*identified*)? Are the loss and the Morse index
# that the finder reports those of that set (*accuracy*)? The answers come apart. At
# loose tolerances practically every search "converges", and nothing that it reports
# is right.

truths = [judge(fitted) for fitted in curve.finders]
identified = np.array([truth.identified.mean() for truth in truths])
assert np.all(curve.converged == 1.0)
assert curve.accuracy[0] == 0.0 and curve.accuracy[-1] == 1.0
assert np.all(curve.accuracy <= identified)

# %%
# What to expect can be known beforehand. ``resolution`` is the largest gradient norm,
# at a rescaled point, at which the critical sets of this loss can be told apart.
# Below its square nearly every point is identified.

spectrum = curve.finders[-1].loss_.analytical_spectrum()
resolved = curve.tols < spectrum.resolution**2
assert np.all(identified[resolved] > 0.95)
print(f"squared resolution: {spectrum.resolution**2:.1e}")

# %%
# The index needs more. The Hessian of a critical point has exact zero eigenvalues,
# one for each direction of symmetry. At a point nearby they are small numbers of
# either sign, and a finder that cannot tell them from zero reports -1, unknown,
# instead of guessing. So an index that is reported below the resolution is right, at
# every tolerance.

known = [fitted.results_["morse_index"] >= 0 for fitted in curve.finders]
wrong = np.array([
    np.sum(is_known & ~truth.hit) for is_known, truth in zip(known, truths, strict=True)
])
assert np.all(wrong[resolved] == 0)
share_known = np.array([np.mean(is_known) for is_known in known])

# %%
# The figure
# ----------
#
# The cost of strictness is small, because the searches end quadratically: from 1e-4
# to 1e-16 the mean number of Hessian-vector products grows by less than one half.

strict, loose = np.argmin(curve.tols), np.argmin(np.abs(curve.tols - 1e-4))
assert curve.n_hvp[strict] < 1.5 * curve.n_hvp[loose]

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
tols = curve.tols[1:]  # a logarithm has no place for infinity
for values, marker, colour, label in (
    (curve.converged, "^", "0.4", "reached the tolerance"),
    (identified, "s", "#E69F00", "identified with one set"),
    (curve.accuracy, "o", "#0072B2", "loss and index right, too"),
):
    left.plot(tols, values[1:], marker=marker, color=colour, label=label)
left.set(ylabel="Fraction of the 60 starts", ylim=(-0.03, 1.05))
left.legend(loc="center right", fontsize="small")
right.plot(tols, curve.n_hvp[1:], marker="o", color="#0072B2")
right.set(ylabel="Hessian-vector products per start", ylim=(0, None))
for ax in (left, right):
    line = ax.axvline(spectrum.resolution**2, color="black", linestyle=":")
    ax.set(
        xscale="log",
        xlim=(3, 3e-17),
        xlabel="Tolerance on the squared gradient norm\n(stricter to the right)",
    )
right.legend([line], ["resolution squared"], loc="lower right", fontsize="small")
figure.suptitle("8-3-8 network, covariance eigenvalues 8, 7, ..., 1", fontsize="medium")
plt.show()
