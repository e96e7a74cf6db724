"""
How strict must the tolerance be?
=================================

A numerical critical point is a point at which the gradient is small. How small must it
be? Here all searches are run once and examined at the point at which they pass each
tolerance: which of these points are near a critical point, and have its index?
"""

# %%
# One run for all tolerances
# --------------------------
#
# ``tolerance_curve`` runs every search to the strictest tolerance, and describes the
# point at which it passes each of the others. Infinity stands for the starting points.

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
    print("tol {:.0e}: converged {:.2f}, accuracy {:.2f}, products {:.0f}".format(*row))

# %%
# Three questions
# ---------------
#
# Is there a critical point nearby, to which Newton steps lead (*converged*)? Is the
# point at which the search stops near one analytical critical set, and near no
# other (*identified*)? Are the loss at this point and the Morse index that the finder
# reports those of the set (*accuracy*)? All searches reach all of these tolerances, but
# the answers differ: at loose tolerances no critical point is nearby, or
# the search stops too far from it to determine which one it is.

truths = [judge(fitted) for fitted in curve.finders]
identified = np.array([truth.identified.mean() for truth in truths])
# sphinx_gallery_start_ignore
for fitted in curve.finders:
    assert np.all(fitted.results_["squared_grad_norm"] <= fitted.tol)
assert curve.accuracy[0] == 0.0 and curve.accuracy[-1] == 1.0
assert np.all(curve.accuracy <= np.minimum(identified, curve.converged))
# sphinx_gallery_end_ignore

# %%
# What to expect can be known beforehand. ``resolution`` is the largest gradient norm,
# at a rescaled point, at which the critical sets of this loss can be distinguished.
# Below its square every point is identified.

spectrum = curve.finders[-1].loss_.analytical_spectrum()
resolved = curve.tols < spectrum.resolution**2
# sphinx_gallery_start_ignore
assert np.all(identified[resolved] == 1.0)
# sphinx_gallery_end_ignore
print(f"squared resolution: {spectrum.resolution**2:.1e}")

# %%
# The critical points that a finder reports, ``critical_points_``, are not the points
# at which its searches stop, but those to which Newton steps lead from there. With a
# loose tolerance fewer are found, but none is wrong: at every tolerance each is in one
# analytical set, with its loss and its index.

# sphinx_gallery_start_ignore
for fitted in curve.finders:
    match = spectrum.match(fitted.critical_points_)
    assert match.identified.all()
    assert np.array_equal(match.morse_index, fitted.morse_indices_)
    np.testing.assert_allclose(match.loss, fitted.critical_losses_, rtol=1e-9)
# sphinx_gallery_end_ignore
print("sets found:", [fitted.n_critical_sets_ for fitted in curve.finders])

# %%
# The figure
# ----------
#
# The cost of strictness is small, because the searches end quadratically: from 1e-4
# to 1e-16 the mean number of Hessian-vector products grows by less than one half.

strict, loose = np.argmin(curve.tols), np.argmin(np.abs(curve.tols - 1e-4))
# sphinx_gallery_start_ignore
assert curve.n_hvp[strict] < 1.5 * curve.n_hvp[loose]
# sphinx_gallery_end_ignore

figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.6), layout="constrained")
tols = curve.tols[1:]  # a logarithm has no place for infinity
for values, marker, colour, label in (
    (curve.converged, "^", "0.4", "converged"),
    (identified, "s", "#E69F00", "identified"),
    (curve.accuracy, "o", "#0072B2", "accuracy"),
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
