"""
Is my model at a minimum?
=========================

Training ends when it makes too little progress, or when its budget is spent. A search
from the trained weights shows whether the network is then near a minimum or a saddle.
"""

# %%
# A small network of scikit-learn is trained on the irises, once with the default
# tolerance and once with a stricter one.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import scale

from skcrit import MLPLoss, NewtonMRFinder, NewtonTRFinder

X, y = load_iris(return_X_y=True)
X = scale(X)
ends = {}
for tol in (1e-4, 1e-8):
    network = MLPClassifier((3,), activation="tanh", alpha=0.5, solver="lbfgs", tol=tol)
    network.set_params(random_state=0, max_iter=5000).fit(X, y)

    # A loss of what was minimised, and the trained weights as a point of it.
    loss, theta = MLPLoss.from_estimator(network, X, y)
    finder = NewtonMRFinder(n_starts=1, init=theta[None]).fit(loss)
    ends[tol] = finder.final_params_[0], finder.results_["morse_index"][0]
    print(
        f"tol={tol:.0e}: loss {network.loss_:.6f}; the search from there: "
        f"{finder.results_['status'][0]}, loss {finder.results_['loss'][0]:.6f}, "
        f"Morse index {ends[tol][1]}"
    )
    # sphinx_gallery_start_ignore
    assert finder.converged_.all()
    assert abs(finder.results_["loss"][0] - network.loss_) < 1e-6
    # sphinx_gallery_end_ignore
# sphinx_gallery_start_ignore
assert [index for _, index in ends.values()] == [1, 0]
# sphinx_gallery_end_ignore

# %%
# With the default tolerance the training has stopped near a saddle of index 1: the
# gradient is small there, and one direction still leads down. If the training
# continues, it finds that direction and ends at a minimum of lower loss.

# %%
# The lowest eigenvalues of the Hessian show the same. At both points one of them is
# zero, because the intercepts of the three outputs can be shifted together.

figure, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
for (tol, (point, index)), marker in zip(ends.items(), "DP", strict=True):
    eigenvalues = np.linalg.eigvalsh(loss.hessian(point))[:8]
    label = f"trained with tol={tol:.0e}: index {index}"
    ax.plot(np.arange(1, 9), eigenvalues, marker, ms=8, label=label)
ax.axhline(0, color="0.6", linewidth=0.8, zorder=0)
ax.set(xlabel="number of the eigenvalue", ylabel="eigenvalue of the Hessian")
ax.legend()
plt.show()

# %%
# There is no need to train again from the saddle. ``NewtonTRFinder`` descends from
# a point that is moved along the direction of negative curvature.

saddle = ends[1e-4][0]
direction = np.linalg.eigh(loss.hessian(saddle))[1][:, 0]
downhill = NewtonTRFinder(n_starts=1, init=(saddle + direction)[None]).fit(loss)
print(f"loss {downhill.results_['loss'][0]:.6f}, index {downhill.morse_indices_[0]}")

# sphinx_gallery_start_ignore
assert downhill.morse_indices_[0] == 0
assert downhill.results_["loss"][0] < loss.value(saddle)
# sphinx_gallery_end_ignore
