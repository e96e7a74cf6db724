"""Losses are cloned, pickled and named by a hash."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import nn

from skcrit import NewtonMRFinder, TorchLoss

from ._modules import first_axes, fitted, second_power_sums, small_loss

ROOT = Path(__file__).parents[2]


def test_get_params_and_set_params():
    module, criterion = nn.Linear(2, 2), nn.MSELoss()
    loss = TorchLoss(module, criterion, alpha=0.5, invariants=second_power_sums)
    params = loss.get_params()
    assert params == {
        "module": module,
        "criterion": criterion,
        "alpha": 0.5,
        "device": "cpu",
        "dtype": "float64",
        "chunk_size": None,
        "bounds": None,
        "length": None,
        "is_coercive": None,
        "symmetries": None,
        "invariants": second_power_sums,
        "representative": None,
        "ground_truth": None,
    }
    assert loss.set_params(alpha=1.0, invariants=None) is loss
    assert loss.get_params() == params | {"alpha": 1.0, "invariants": None}
    with pytest.raises(ValueError, match="Invalid parameter 'size' for TorchLoss"):
        loss.set_params(size=3)
    finder = NewtonMRFinder(loss).set_params(loss__alpha=0.25)
    assert loss.alpha == finder.get_params()["loss__alpha"] == 0.25


def test_clone_is_another_module(rng):
    loss = fitted("batch norm", rng)
    other = clone(loss)
    assert other.module is not loss.module
    for name, tensor in other.module.state_dict().items():
        assert torch.equal(tensor, loss.module.state_dict()[name])
    assert other.module[1].training is False
    with pytest.raises(NotFittedError):
        other.value(np.ones(loss.n_params_))


@pytest.mark.parametrize("name", ["batch norm", "tied", "recurrent", "Tanh"])
@pytest.mark.parametrize("how", ["pickle", "deepcopy", "joblib"])
def test_copies_are_equal(name, how, rng, tmp_path):
    loss = fitted(name, rng)
    if how == "pickle":
        other = pickle.loads(pickle.dumps(loss))
    elif how == "deepcopy":
        other = copy.deepcopy(loss)
    else:
        joblib.dump(loss, tmp_path / "loss")
        other = joblib.load(tmp_path / "loss")
    theta, v = rng.standard_normal((2, 3, loss.n_params_))
    for method in ("value", "gradient", "hvp"):
        arguments = (theta, v) if method == "hvp" else (theta,)
        expected = getattr(loss, method)(*arguments)
        np.testing.assert_array_equal(getattr(other, method)(*arguments), expected)
    for key, tensor in other.module.state_dict().items():
        assert torch.equal(tensor, loss.module.state_dict()[key])
    flags = [p.requires_grad for p in loss.module.parameters()]
    assert [p.requires_grad for p in other.module.parameters()] == flags
    assert joblib.hash(other) == joblib.hash(loss)
    # It can be pickled again, and fitted.
    again = pickle.loads(pickle.dumps(other))
    assert again.fit(loss._network.X.numpy(), loss._network.y.numpy()).n_params_ > 0


def test_pickling_leaves_the_loss_as_it_was(rng):
    loss = fitted("tied", rng)
    module, criterion = loss.module, loss.criterion
    pickle.dumps(loss)
    assert loss.module is module and loss.criterion is criterion
    assert all(p.device.type == "cpu" for p in module.parameters())


def test_half_precision_survives(rng):
    module = nn.Linear(2, 2).to(torch.bfloat16)
    loss = TorchLoss(module, nn.MSELoss()).fit(rng.standard_normal((5, 2)))
    other = pickle.loads(pickle.dumps(loss))
    assert other.module.weight.dtype == torch.bfloat16
    assert torch.equal(other.module.weight, module.weight)
    theta = loss.theta_of(module)
    module.load_state_dict(loss.parameters(theta))
    np.testing.assert_array_equal(loss.theta_of(module), theta)


def test_hash_follows_the_numbers(rng):
    X = rng.standard_normal((10, 3))
    module = nn.Linear(3, 3)
    criterion = nn.CrossEntropyLoss(weight=torch.ones(3))

    def name(X=X):
        return joblib.hash(TorchLoss(module, criterion).fit(X, [0, 1] * 5))

    names = [name(), name()]
    with torch.no_grad():
        module.weight += 1
    names.append(name())
    with torch.no_grad():
        criterion.weight[1] = 2
    names += [name(), name(X + 1)]
    assert names[0] == names[1]
    assert len(set(names)) == 4


def test_hash_is_the_same_in_another_process():
    script = (
        "import joblib, torch; from tests.torch._modules import small_loss;"
        "torch.manual_seed(5); print(joblib.hash(small_loss()))"
    )
    names = [
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    ]
    torch.manual_seed(5)
    assert names == [joblib.hash(small_loss())]


def test_declared_symmetries(rng):
    loss = small_loss(invariants=second_power_sums, symmetries=first_axes)
    theta = rng.standard_normal((4, 2, 13))
    np.testing.assert_array_equal(loss.invariants(theta), second_power_sums(theta))
    np.testing.assert_array_equal(loss.orbit_tangents(theta), first_axes(theta))
    assert loss.n_zero_modes == 0
    loss.set_params(symmetries=3)
    assert loss.n_zero_modes == 3
    assert loss.orbit_tangents(theta).shape == (4, 2, 0, 13)
    loss.set_params(symmetries=None, invariants=None)
    assert loss.n_zero_modes == 0
    np.testing.assert_array_equal(loss.invariants(theta), theta)


@pytest.mark.parametrize(
    "name, method, result, message",
    [
        ("invariants", "invariants", np.ones(3), r"\(2, n_invariants\) .* shape \(3,"),
        ("invariants", "invariants", np.ones(2), r"\(2, n_invariants\) .* shape \(2,"),
        ("invariants", "invariants", None, "what invariants returns must be an array"),
        ("symmetries", "orbit_tangents", np.ones((2, 13)), r"\(2, n_tangents, 13\)"),
        ("symmetries", "orbit_tangents", np.ones((2, 1, 12)), r"\(2, n_tangents, 13\)"),
    ],
)
def test_functions_that_return_something_else(name, method, result, message):
    loss = small_loss(**{name: lambda theta: result})
    with pytest.raises(ValueError, match=message):
        getattr(loss, method)(np.ones((2, 13)))
