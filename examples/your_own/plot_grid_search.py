"""
GridSearchCV over tolerances: chemistry of wine
===============================================

A finder is an estimator, so that the tools of scikit-learn apply. Here a grid search
with cross-validation chooses the tolerance on real data: 178 wines with thirteen
measurements each. A pipeline standardises them first, because they have different
units.
"""

# %%
# The estimator
# -------------

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcrit import LinearAutoencoderLoss, NewtonMRFinder, NotConvergedWarning
from skcrit.metrics import recovery_accuracy_scorer, recovery_coverage_scorer

X = load_wine().data
finder = NewtonMRFinder(
    LinearAutoencoderLoss((2,)),
    n_starts=20,
    init="gaussian",
    random_state=0,
)
pipeline = make_pipeline(StandardScaler(), finder)

# %%
# The search
# ----------
#
# Every candidate is fitted on two thirds of the wines. Its critical points are judged
# against the analytical ones of the same wines: *accuracy* is the fraction of all
# starts that end at a true critical point with its loss and its Morse index,
# *coverage* the fraction of all critical sets that were found. Loose tolerances leave
# searches far from any critical point. This is intended here, so that the warning
# about it is silenced.

tols = np.logspace(-2, -12, 6)
search = GridSearchCV(
    pipeline,
    {"newtonmrfinder__tol": tols},
    scoring={
        "accuracy": recovery_accuracy_scorer,
        "coverage": recovery_coverage_scorer,
    },
    refit="accuracy",
    cv=3,
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", NotConvergedWarning)
    search.fit(X)

# %%
# The result
# ----------
#
# At 1e-2 and 1e-4 no search gets close enough to a critical point to identify it. At
# 1e-8 and below all do, and a stricter tolerance changes nothing. This does not
# depend on the method: some eigenvalues of these data are close to each other, and
# sets that differ by them can only be distinguished if the gradient is small. ``tol``
# should be below the square of ``resolution``.

results = search.cv_results_
scores = {name: results[f"mean_test_{name}"] for name in ("accuracy", "coverage")}
best = search.best_estimator_[-1]
resolution = best.loss_.analytical_spectrum().resolution
strict = tols < resolution**2
# sphinx_gallery_start_ignore
assert search.best_params_["newtonmrfinder__tol"] in tols[strict]
assert np.all(scores["accuracy"][:2] == 0.0)
assert strict.any() and np.all(scores["accuracy"][strict] > 0.95)
# sphinx_gallery_end_ignore
print(f"best: {search.best_params_}, accuracy {search.best_score_:.2f}")
print(f"squared resolution: {resolution**2:.1e}")

# %%
# The finder that was refitted to all wines is in ``best_estimator_``. As a
# transformer it returns the reconstruction error of every wine under every critical
# point; the mean over the wines is the loss of that point.

errors = search.best_estimator_.transform(X)
# sphinx_gallery_start_ignore
assert errors.shape == (178, best.n_critical_sets_)
np.testing.assert_allclose(errors.mean(axis=0), best.critical_losses_, rtol=1e-6)
# sphinx_gallery_end_ignore

# %%
# The figure
# ----------
#
# Points are the mean over three folds, bars the smallest and the largest fold.

figure, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for (name, mean), marker, colour in zip(
    scores.items(), ("o", "s"), ("#0072B2", "#E69F00"), strict=True
):
    folds = np.array([results[f"split{fold}_test_{name}"] for fold in range(3)])
    reach = np.abs(np.array([folds.min(axis=0), folds.max(axis=0)]) - mean)
    style = {"marker": marker, "color": colour, "capsize": 3, "label": name}
    ax.errorbar(tols, mean, yerr=reach, **style)
ax.axvline(resolution**2, color="black", linestyle=":", label="resolution squared")
ax.set(
    xscale="log",
    xlim=(3e-2, 3e-13),
    ylim=(-0.03, 1.03),
    xlabel="Tolerance on the squared gradient norm (stricter to the right)",
    ylabel="Fraction of starts (accuracy)\nor of critical sets (coverage)",
    title="Wine, 13-2-13, 20 starts",
)
ax.legend(loc="center left")
plt.show()
