"""
What saddles connect
====================

The graph of an explorer records its searches, and depends on the lengths of its steps.
The minima to which the descent from a saddle leads are a property of the landscape
itself: ``connections`` follows the gradient flow from each saddle, in both directions
along each unstable eigenvector. Two minima are separated by a barrier: the height of
the lowest path from one to the other.
"""

# %%
# Seven atoms
# -----------
#
# A Lennard-Jones cluster of seven atoms has four minima. Saddle dynamics finds them,
# and saddles of index one between them.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from skcrit import (
    LandscapeExplorer,
    LinearAutoencoderLoss,
    NotConvergedWarning,
    SaddleDynamicsFinder,
    connections,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.inspection import DisconnectivityDisplay, LandscapeGraphDisplay
from skcrit.proving_grounds import make_lennard_jones

index = np.repeat([0, 1], [60, 60])
finder = SaddleDynamicsFinder(n_starts=120, index=index, max_iter=200, random_state=0)
with warnings.catch_warnings():
    # Some clusters fly apart.
    warnings.simplefilter("ignore", NotConvergedWarning)
    finder.fit(make_lennard_jones(7))
atoms = connections(finder)
# sphinx_gallery_start_ignore
assert len(atoms.minima()) == 4
# sphinx_gallery_end_ignore
print(atoms.barriers().round(4))
# sphinx_gallery_start_ignore
np.testing.assert_allclose(
    atoms.barriers()[0, 1:], [-15.4447, -15.3199, -15.2834], atol=1e-4
)
# sphinx_gallery_end_ignore

# %%
# The first row has the barriers from the lowest minimum, in the unit of the energy of a
# pair.

# %%
# A linear network
# ----------------
#
# A saddle of the network 4-2-4 contains some eigenvectors of the data. From there the
# flow nearly always leads to the minimum. Index-lowering dynamics descends along
# one direction at a time, and leads to the neighbours: the sets with one eigenvector
# added, or with one exchanged for one of larger variance.

X = make_gaussian_spectrum(100, eigenvalues=[4, 3, 2, 1], exact=True, random_state=0)
loss = LinearAutoencoderLoss(hidden_layer_sizes=(2,))
explorer = LandscapeExplorer(loss, max_searches=200, connect=True, random_state=0)
explorer.fit(X)
names = explorer.loss_.ground_truth().match(explorer.critical_points_).set
for saddle, below, _ in explorer.connections_.edges("lowering").tolist()[:5]:
    print(f"{names[saddle]} leads to {names[below]}")
# sphinx_gallery_start_ignore
for saddle, below, _ in explorer.connections_.edges("lowering").tolist():
    lost = set(names[saddle]) - set(names[below])
    won = set(names[below]) - set(names[saddle])
    assert len(won) == 1 and len(lost) <= 1
    assert not lost or min(won) < min(lost)
# sphinx_gallery_end_ignore

# %%
# The figures
# -----------
#
# Left, the disconnectivity graph of the atoms: minima are leaves, and branches meet at
# the saddles. Right, the sets of the network with both kinds of edges.

figure, (left, right) = plt.subplots(1, 2, figsize=(8.8, 3.9), layout="constrained")
DisconnectivityDisplay.from_connections(atoms, ax=left)
LandscapeGraphDisplay.from_estimator(explorer, ax=right)
plt.show()
