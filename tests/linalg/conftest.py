"""Fixtures of the tests of linear algebra."""

import pytest

BACKENDS = (
    "numpy",
    "array_api_strict",
    pytest.param("cupy", marks=pytest.mark.gpu),
)


@pytest.fixture(params=BACKENDS)
def backend(request):
    """Name of the backend that computes."""
    if request.param == "cupy":
        pytest.importorskip("cupy")
    return request.param
