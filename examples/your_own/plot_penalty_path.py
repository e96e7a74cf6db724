"""
GridSearchCV over a penalty: diabetes
=====================================

The penalty of a network determines how well it predicts and how many critical points
its training loss has. Both can be measured in one grid search, because a finder passes
parameters such as ``loss__alpha`` to its loss, and targets to the fit of the loss.
"""

# %%
# The estimator
# -------------
#
# Three of scikit-learn's measurements of diabetes patients (body mass index, blood
# pressure and a serum value) predict the progress of the disease. The network has two
# tanh units and eleven parameters, all of them penalised.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from skcrit import MLPLoss, NewtonTRFinder, NotConvergedWarning

X, y = load_diabetes(return_X_y=True)
X, y = scale(X[:, [2, 3, 8]]), scale(y)
finder = NewtonTRFinder(
    MLPLoss((2,), penalize_intercept=True),
    n_starts=12,
    init="gaussian",
    random_state=0,
)

# %%
# The search
# ----------
#
# A scorer is a function of the fitted finder and the patients of the test set. The
# lowest critical point that was found becomes an ``MLPRegressor``, which predicts
# them. The share of confirmed searches is ``finder.score()``, and the number of
# critical sets is that of all twelve searches, up to permutations and signs of the
# units.


def scores(finder, X, y):
    """Judge a finder by its lowest point, its searches and its sets."""
    lowest = finder.critical_points_[np.argmin(finder.critical_losses_)]
    return {
        "r2": finder.loss_.to_estimator(lowest).score(X, y),
        "confirmed": finder.score(),
        "sets": finder.n_critical_sets_,
    }


alphas = np.logspace(0, 3, 4)
search = GridSearchCV(finder, {"loss__alpha": alphas}, scoring=scores, refit="r2", cv=3)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", NotConvergedWarning)
    search.fit(X, y)

# %%
# The result
# ----------
#
# The stronger the penalty, the fewer critical sets there are. At 1000 only one is
# left: all weights and intercepts are nearly zero, and nothing is predicted. Networks
# with weak penalties predict better. The number of sets is a lower bound in any case,
# and the Euler sum below the table shows whether sets are missing.

results = search.cv_results_
means = {name: results[f"mean_test_{name}"] for name in ("r2", "confirmed", "sets")}
for k, alpha in enumerate(alphas):
    shown = ", ".join(f"{name} {mean[k]:.2f}" for name, mean in means.items())
    print(f"alpha {alpha:4.0f}: {shown}")
best = search.best_estimator_
print(best.summary())
# sphinx_gallery_start_ignore
assert search.best_params_["loss__alpha"] < 100 and search.best_score_ > 0.4
assert np.all(means["confirmed"] == 1.0)
assert means["sets"][-1] == 1.0 and means["sets"][0] > 1
assert abs(means["r2"][-1]) < 0.05
np.testing.assert_allclose(best.loss_.gradient(best.critical_points_), 0, atol=1e-9)
# sphinx_gallery_end_ignore

# %%
# The figure
# ----------
#
# Points are the mean over three folds.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(7.5, 3.4), layout="constrained", sharex=True
)
left.semilogx(alphas, means["r2"], "o-", color="#0072B2", label="R2, left out")
left.semilogx(
    alphas, means["confirmed"], "s--", color="#E69F00", label="confirmed searches"
)
left.set(xlabel="alpha", ylabel="Mean over folds", ylim=(-0.05, 1.05))
left.legend()
right.semilogx(alphas, means["sets"], "D-", color="#009E73")
right.set(xlabel="alpha", ylabel="Critical sets found", ylim=(0, None))
plt.show()
