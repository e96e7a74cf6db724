"""
How strict a tolerance, for my data
===================================

A search stops when the squared norm of the gradient is at most ``tol``. Which number is
small enough depends on the data. ``tolerance_curve`` measures it with one run of every
search.
"""

# %%
# A curve over tolerances
# -----------------------
#
# The wines of scikit-learn, each feature scaled to unit variance.

import warnings
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale

from skcrit import LinearAutoencoderLoss, NewtonMRFinder, NotConvergedWarning
from skcrit.inspection import ToleranceDisplay
from skcrit.model_selection import tolerance_curve

X = scale(load_wine().data)
finder = NewtonMRFinder(LinearAutoencoderLoss((2,)), n_starts=20, random_state=0)
curve = tolerance_curve(finder, X, tols=np.logspace(-2, -20, 7))
for tol, accuracy in zip(curve.tols, curve.accuracy, strict=True):
    print(f"tol {tol:.0e}: {accuracy:.2f} of the searches identified and right")

# %%
# In the range in which the curve is level, a stricter tolerance changes nothing. The
# default, ``tol="auto"``, continues to the level of rounding and needs no choice. If
# the critical points are not known, as for most losses, look at the share of
# UNCONFIRMED searches.

# sphinx_gallery_start_ignore
assert curve.accuracy[-1] == 1.0
assert curve.accuracy[0] < 1.0
# sphinx_gallery_end_ignore

figure, ax = plt.subplots(figsize=(5.5, 3.8), layout="constrained")
ToleranceDisplay.from_curve(curve, scores=["converged", "accuracy"], ax=ax)
plt.show()

# %%
# Without a known truth
# ---------------------
#
# From the point at which a search meets its tolerance, a finder takes Newton steps to
# the level of rounding. If these lead away, the point was not critical, and the status
# of the search is UNCONFIRMED, or ESCAPED if they lead towards infinity: the tolerance
# is too loose for this loss. This check needs no list of critical points.

for tol in (1.0, 1e-4, "auto"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        finder.set_params(tol=tol).fit(X)
    products = finder.results_["n_hvp"].mean()
    status = Counter(finder.results_["status"].tolist())
    print(f"tol {tol}: {products:.0f} products per search, {dict(status)}")
# sphinx_gallery_start_ignore
assert finder.converged_.all() and finder.score() == 1.0
# sphinx_gallery_end_ignore
