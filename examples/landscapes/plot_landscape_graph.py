"""
The landscape of a small network as a graph
===========================================

Searches from random starts find the critical points that are easy to reach.
``LandscapeExplorer`` searches systematically: it moves away from every critical point
found so far, along the eigenvectors of its Hessian, and records which critical points
lead to which. For a small network it finds all of them, and the record is a map of the
landscape.
"""

# %%
# Exploration
# -----------
#
# The network is 5-2-5. The explorer uses only value, gradient and Hessian products. It
# may make 300 local searches. Its first searches begin at points of several sizes.

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np

from skcrit import (
    LandscapeExplorer,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    SpreadStarts,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.inspection import LandscapeGraphDisplay

X = make_gaussian_spectrum(2000, eigenvalues=[5, 4, 3, 2, 1], random_state=0)
loss = LinearAutoencoderLoss(hidden_layer_sizes=(2,))
options = {"max_searches": 300, "round_size": 32, "random_state": 0}
explorer = LandscapeExplorer(loss, init=SpreadStarts(), **options).fit(X)
spectrum = explorer.loss_.analytical_spectrum()
print(f"{explorer.n_critical_sets_} of {spectrum.n_sets} critical sets")

# %%
# All sixteen sets are found, each with its loss and index, and no false ones. The same
# number of searches by ``NewtonMRFinder``, from its default starts along gradient
# descents, does not find all of them.

# sphinx_gallery_start_ignore
assert explorer.n_critical_sets_ == spectrum.n_sets == 16
# sphinx_gallery_end_ignore
truth = spectrum.match(explorer.critical_points_)
# sphinx_gallery_start_ignore
assert truth.identified.all()
assert np.array_equal(truth.morse_index, explorer.morse_indices_)
np.testing.assert_allclose(truth.loss, explorer.critical_losses_, rtol=1e-9)
# sphinx_gallery_end_ignore

random_starts = NewtonMRFinder(loss, n_starts=300, random_state=0).fit(X)
# sphinx_gallery_start_ignore
assert random_starts.n_critical_sets_ < explorer.n_critical_sets_
# sphinx_gallery_end_ignore
print(f"from descents: {random_starts.n_critical_sets_} of {spectrum.n_sets}")

# %%
# The graph
# ---------
#
# An edge leads from the set at which a search began to the set at which it ended. Nodes
# are numbered by increasing loss, and have the loss and the index as attributes.

graph = explorer.to_networkx()
minimum, origin = 0, explorer.n_critical_sets_ - 1
# sphinx_gallery_start_ignore
assert explorer.morse_indices_[minimum] == 0
assert explorer.morse_indices_[origin] == explorer.morse_indices_.max()
# sphinx_gallery_end_ignore
path = nx.shortest_path(graph, origin, minimum)
print(
    "a path from the origin to the minimum, set by set:", [truth.set[i] for i in path]
)
# sphinx_gallery_start_ignore
assert tuple(truth.set[minimum]) == (0, 1) and tuple(truth.set[origin]) == ()
# sphinx_gallery_end_ignore

# %%
# Along this path the sets gain or exchange eigenvectors; the last one has the two of
# largest variance, the principal components.

# %%
# The figures
# -----------
#
# Left, the map: each set is named by the eigenvectors that it contains. Right, how
# many sets are known during the search.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(8.8, 4.4), layout="constrained", width_ratios=(3, 2)
)
LandscapeGraphDisplay.from_estimator(explorer, ax=left)
searches, found = explorer.discovery_.T
right.plot(searches, found, "o-", color="#0072B2", label="explorer")
random_label = random_starts.results_["critical_set"]
distinct = [len(set(random_label[:n])) for n in range(1, len(random_label) + 1)]
right.plot(range(1, 301), distinct, "--", color="#E69F00", label="starts on descents")
right.axhline(spectrum.n_sets, color="black", linestyle=":", label="all sets")
right.set(xlabel="Searches", ylabel="Distinct critical sets found", ylim=(0, 17))
right.legend(loc="lower right")
plt.show()
