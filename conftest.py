"""Doctests of what is not installed are left out, wherever pytest is called."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["skcrit/losses/torch_module.py"]
