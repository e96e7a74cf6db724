"""Where data are badly conditioned, certificates say so, and of which kind."""

import numpy as np
import pytest
from scipy.optimize import root
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skcrit import LinearAutoencoderLoss, LinearNetworkLoss, MLPLoss, certify

PENALTIES = [{}, {"penalty": "sum"}, {"penalty": "product"}]


def reasons_of(loss, n_sets=60):
    """Certify a point of each of some sets."""
    spectrum = loss.analytical_spectrum()
    sets = spectrum.all_sets()[:n_sets]
    record = certify(loss, [spectrum.representative(s) for s in sets])
    for reason, done in zip(record.reason, record.certified, strict=True):
        assert (reason == "") == done
    return sets, record


def diagonal(eigenvalues, rng):
    """Return data with these eigenvalues, along random directions."""
    n = len(eigenvalues)
    turn = np.linalg.qr(rng.standard_normal((n, n)))[0]
    return np.sqrt(n) * np.diag(np.sqrt(eigenvalues)) @ turn


@pytest.mark.parametrize("options", PENALTIES, ids=str)
@pytest.mark.parametrize(
    "eigenvalues",
    [[3, 2, 2, 1, 0.5], [2, 2, 1, 1, 1], [2, 2, 1, 1, 0], [3, 2, 1, 0, 0]],
)
def test_ties_and_ranks_are_named_where_they_matter(eigenvalues, options, rng):
    X = diagonal(np.array(eigenvalues, dtype=float), rng)
    alpha = 0.05 if options else 0.0
    loss = LinearAutoencoderLoss((2,), center=False, alpha=alpha, **options).fit(X)
    sets, record = reasons_of(loss)
    groups = [np.flatnonzero(np.equal(eigenvalues, v)) for v in np.unique(eigenvalues)]
    rank = np.count_nonzero(eigenvalues)
    for labels, reason in zip(sets, record.reason, strict=True):
        wanted = []
        for group in reversed(groups):
            # A set that holds some of a group but not all may turn within it.
            if group[-1] < rank and 0 < len(set(group) & set(labels)) < len(group):
                rows = " and ".join([", ".join(map(str, group[:-1])), str(group[-1])])
                wanted.append(f"eigenvalues {rows} are tied")
        # What the data do not see is free; under the penalty of the end-to-end matrix
        # only units that pass nothing on may read from there.
        sees = options.get("penalty") == "sum"
        sees |= options.get("penalty") == "product" and len(labels) == 2
        if rank < len(eigenvalues) and not sees:
            wanted.append(f"the second moment has rank {rank} of {len(eigenvalues)}")
        if wanted:
            kind, cause = reason.split(": ", 1)
            assert kind == "degenerate beyond the symmetry"
            assert cause.split(";")[0] == " and ".join(wanted)
        else:
            assert reason == ""


@pytest.mark.filterwarnings("ignore::skcrit.exceptions.ResolutionWarning")
@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test_real_data(load):
    X = load().data
    d = X.shape[1]
    scaled = StandardScaler().fit_transform(X)
    # Columns twice, and in other units.
    more = np.column_stack([scaled, scaled[:, 0], scaled[:, 1] - 3 * scaled[:, 2]])
    _, record = reasons_of(LinearAutoencoderLoss((2,)).fit(more))
    named = f"degenerate beyond the symmetry: the second moment has rank {d} of {d + 2}"
    assert all(reason.startswith(named) for reason in record.reason)
    # As they are: the ranges of the columns differ.
    _, record = reasons_of(LinearAutoencoderLoss((1,)).fit(X))
    left = [reason for reason in record.reason if reason]
    values = np.linalg.eigvalsh(np.cov(X.T, bias=True))
    ends = f"the eigenvalues of the data reach from {values[0]:.1e} to {values[-1]:.1e}"
    assert all("radius too large: rounding" in reason for reason in left)
    assert all(ends in reason for reason in left)
    assert bool(left) or load is load_wine


@pytest.mark.filterwarnings("ignore::skcrit.exceptions.ResolutionWarning")
def test_whitened_data():
    # All eigenvalues are equal up to rounding: the Hessian's curvatures are rounding.
    X = PCA(whiten=True).fit_transform(load_wine().data)
    sets, record = reasons_of(LinearAutoencoderLoss((2,)).fit(X))
    tie = "eigenvalues 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 12 are tied"
    for labels, reason in zip(sets, record.reason, strict=True):
        assert (tie in reason) == (len(labels) > 0)
    # Of data of condition 1e12 whitening leaves differences, which no tie explains.
    X = PCA(whiten=True).fit_transform(load_breast_cancer().data)
    loss = LinearAutoencoderLoss((2,)).fit(X)
    _, record = reasons_of(loss)
    left = [reason for reason in record.reason if reason]
    assert left
    assert not any("not a critical point" in reason for reason in left)
    assert all("the closest differ by" in reason for reason in left)


def test_networks_with_targets(rng):
    X = rng.standard_normal((40, 4))
    Y = X @ rng.standard_normal((4, 3)) + rng.standard_normal((40, 3))
    sets, record = reasons_of(LinearNetworkLoss((2,)).fit(X, Y))
    for labels, reason in zip(sets, record.reason, strict=True):
        free = "the inputs have 4 directions and the targets 3, of which 3 explain"
        assert (free in reason) == (len(labels) < 2)
    _, record = reasons_of(LinearNetworkLoss((2,)).fit(X[:, [0, 1, 2, 3, 3]], Y))
    assert all("the second moment has rank 4 of 5" in r for r in record.reason)


def test_idle_layers_are_not_blamed_on_the_data(rng):
    X = diagonal([4.0, 3, 2, 1], rng)
    _, record = reasons_of(LinearAutoencoderLoss((2, 2), center=False).fit(X))
    left = [reason for reason in record.reason if reason]
    assert left
    assert all("or too badly conditioned: the least" in reason for reason in left)
    assert not any("tied" in reason or "rank" in reason for reason in left)


def test_networks_name_the_units_that_leave_a_direction_free(rng):
    X = rng.standard_normal((25, 2))
    y = np.tanh(X[:, 0]) + 0.1 * rng.standard_normal(25)
    small, large = MLPLoss((1,)).fit(X, y), MLPLoss((2,)).fit(X, y)
    start = small.pack([[[1.0], [0.0]], [[1.0]]], [[0.0], [0.0]])
    theta = root(small.gradient, start, jac=small.hessian, tol=1e-14).x
    (W, V), (b, c) = small.unpack(theta)
    # Both copies are used: the weights on them may be traded, and nothing else.
    V = np.concatenate([0.3 * V, 0.7 * V])
    point = large.pack([np.repeat(W, 2, axis=1), V], [np.repeat(b, 2), c])
    (reason,) = certify(large, point[None]).reason
    named = "units 0, 1 of hidden layer 0 are duplicates: 1 free direction"
    assert reason.startswith(f"degenerate beyond the symmetry: {named}; the least")


def test_a_loss_of_a_user_names_its_causes():
    class Trough:
        n_params_ = 2

        def value(self, theta):
            return theta[..., 0] ** 2

        def gradient(self, theta):
            return theta * np.array([2.0, 0.0])

        def hvp(self, theta, v):
            return v * np.array([2.0, 0.0]) + 0 * theta

        def degeneracies(self, theta):
            return ["the second column is zero" for _ in theta]

    (reason,) = certify(Trough(), np.zeros((1, 2))).reason
    cause = "degenerate beyond the symmetry: the second column is zero; the least"
    assert reason.startswith(cause)
