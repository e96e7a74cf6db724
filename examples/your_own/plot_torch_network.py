"""
A trained network: at a minimum, at a saddle, or neither?
=========================================================

Training ends when the loss hardly falls any more. The point reached can be near a
minimum, near a saddle, or in a region in which the gradient is small although no
critical point is near. Here a small network learns Fisher's iris data with PyTorch and
Adam. Its training is stopped twice, and the point is examined by the gradient, by
the lowest eigenvalues of the Hessian, and by a search that continues from there to the
critical point nearby.
"""

# %%
# Training
# --------
#
# Four inputs, five tanh units, three classes: 43 parameters. ``TorchLoss`` describes
# the function that Adam minimises: cross-entropy on all samples, plus ``alpha`` times
# the squared norm of the parameters, which is ``weight_decay=2 * alpha``.

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.sparse.linalg import eigsh
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

from skcrit import NewtonMRFinder, TorchLoss

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
alpha = 1e-3

torch.manual_seed(5)
network = torch.nn.Sequential(
    torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)
).double()
entropy = torch.nn.CrossEntropyLoss()
loss = TorchLoss(network, entropy, alpha=alpha).fit(X, y)

optimizer = torch.optim.Adam(network.parameters(), lr=0.02, weight_decay=2 * alpha)
inputs, labels = torch.as_tensor(X), torch.as_tensor(y)
path = []
for step in range(3301):
    if step % 100 == 0:
        path.append(loss.theta_of(network))
    optimizer.zero_grad()
    entropy(network(inputs), labels).backward()
    optimizer.step()
path = np.stack(path)
steps = 100 * np.arange(len(path))

# %%
# The loss falls from 0.87 to 0.0912 in the first 1000 steps. In the next 400 it falls
# by one part in ten thousand, so that one would stop here.

height = loss.value(path)
# sphinx_gallery_start_ignore
assert height[0] > 0.8 and abs(height[10] / 0.0912 - 1) < 1e-3
assert 0 < height[10] - height[14] < 2e-5
# sphinx_gallery_end_ignore

# %%
# The question
# ------------
#
# Compute the norm of the gradient and the lowest eigenvalues of the Hessian (SciPy
# needs only its products, by ``linear_operator``), and search from here by Newton-MR.


def examine(theta):
    """Describe the point that a trained network has reached."""
    slope = np.linalg.norm(loss.gradient(theta))
    lowest, _ = eigsh(loss.linear_operator(theta), 3, which="SA", v0=theta)
    finder = NewtonMRFinder(n_starts=1, init=theta[None], tol=1e-20, random_state=0)
    finder.fit(loss)
    moved = np.linalg.norm(finder.final_params_[0] - theta)
    print(
        f"loss {loss.value(theta):.6f}, gradient norm {slope:.1e}, lowest eigenvalues"
    )
    print(np.sort(lowest).round(5))
    print(
        f"{finder.results_['status'][0]} at loss {finder.results_['loss'][0]:.6f}, "
        f"index {finder.results_['morse_index'][0]}, distance {moved:.2f} of "
        f"{np.linalg.norm(theta):.2f}"
    )
    return slope, lowest.min(), finder


# %%
# After 1200 steps the gradient is not zero, and one eigenvalue is negative. The search
# converges nearby, at practically the same loss, to a critical point of index 1: the
# network is near a saddle. It is not in a gradient-flat region, in which the search
# would end with the status GRADIENT_FLAT.

early_slope, early_lowest, saddle = examine(path[12])
# sphinx_gallery_start_ignore
assert 1e-5 < early_slope < 1e-3 and early_lowest < -1e-4
assert saddle.converged_.all() and saddle.morse_indices_.tolist() == [1]
assert abs(saddle.critical_losses_[0] - 0.091196) < 1e-6
# sphinx_gallery_end_ignore

# %%
# After more training
# -------------------
#
# The training continues. The loss falls along the direction of the negative eigenvalue,
# at first very slowly. At the end all eigenvalues are positive: this is a minimum.

late_slope, late_lowest, minimum = examine(path[32])
# sphinx_gallery_start_ignore
assert late_slope < early_slope and late_lowest > 1e-4
assert minimum.converged_.all() and minimum.morse_indices_.tolist() == [0]
assert abs(minimum.critical_losses_[0] - 0.089857) < 1e-6
# sphinx_gallery_end_ignore

# %%
# The critical points are networks as well: ``parameters`` returns a state dict. At the
# saddle four hidden units form two pairs that are equal up to a sign, and the
# fifth is different. At the minimum it is equal to one of the pairs.


def different_units(theta):
    """Count the hidden units that differ by more than a sign."""
    weights = loss.parameters(theta)["0.weight"].numpy()
    return len(np.unique((weights * np.sign(weights[:, :1])).round(4), axis=0))


# sphinx_gallery_start_ignore
assert different_units(saddle.critical_points_[0]) == 3
assert different_units(minimum.critical_points_[0]) == 2
# sphinx_gallery_end_ignore

# %%
# The figure
# ----------
#
# Left, the training loss, with saddle and minimum. Right, the eigenvalues distinguish
# them; the gradient norm does not, because it is small at both.

lowest = np.linalg.eigvalsh(loss.hessian(path))[:, 0]
slope = np.linalg.norm(loss.gradient(path), axis=-1)
figure, (left, right) = plt.subplots(1, 2, figsize=(8.8, 3.9), layout="constrained")
left.plot(steps, height, color="0.2", label="training")
for finder, colour, name in (
    (saddle, "#D55E00", "saddle, index 1"),
    (minimum, "#0072B2", "minimum"),
):
    left.axhline(finder.critical_losses_[0], color=colour, ls="--", label=name)
left.set(xlabel="Step of Adam", ylabel="Loss", ylim=(0.0895, 0.0945))
left.legend()
right.semilogy(steps, slope, color="0.2")
right.set(xlabel="Step of Adam", ylabel="Gradient norm (black)")
twin = right.twinx()
twin.plot(steps, lowest, color="#009E73")
twin.axhline(0, color="#009E73", lw=0.5)
twin.set(ylabel="Lowest eigenvalue (green)", ylim=(-1.2e-3, 1.2e-3))
plt.show()
