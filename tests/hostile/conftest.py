"""What the hostile suite leaves behind: its counts."""

from .. import _tally


def pytest_sessionfinish():
    """Leave the counts where they are asked for."""
    _tally.save()
