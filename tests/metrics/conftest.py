"""Fixtures of these tests."""

import pytest

from ._fits import fit_at, make_loss


@pytest.fixture(scope="module")
def finder(request):
    """Fit whose starts are the sets that the module names."""
    return fit_at(make_loss(), request.module.SETS)
