"""The example of a trained network runs, and what it asserts holds."""

from tests.examples.test_examples import STRICT, WITH_TORCH, run_script


def test_example(tmp_path):
    done = run_script(WITH_TORCH, cwd=tmp_path, options=STRICT)
    assert "index 1" in done.stdout
