"""Files of an archive that are damaged, foreign or traps."""

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

from ._faulty import batches, fit
from ._machines import KINDS, memory_of, outputs, same


@pytest.fixture(params=KINDS)
def full_kept(request, full):
    """The same for both kinds of caches."""
    return full[0], memory_of(request.param, full[1])


def damaged_fit(log, memory, caplog):
    """Fit with a damaged cache, and see that something is said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        finder = fit(log, memory)
    said = caplog.text + "".join(str(warning.message) for warning in caught)
    assert "cannot read" in said
    return finder


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"\x80\x04\x95\xff", b"PK\x03\x04"]
)
def test_a_corrupted_file_is_solved_again(content, full_kept, expected, caplog):
    log, memory = full_kept
    outputs(memory)[0].write_bytes(content)
    same(damaged_fit(log, memory, caplog), expected)
    assert batches(log) == 9


def test_a_truncated_file_is_solved_again(full_kept, expected, caplog):
    log, memory = full_kept
    for path in outputs(memory)[:2]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    same(damaged_fit(log, memory, caplog), expected)
    assert batches(log) == 10


@pytest.mark.parametrize("other", [None, [1, 2], {"a": 1}, [("x", "y")], 3.5])
def test_a_foreign_pickle_is_solved_again(other, full, expected, caplog):
    log, memory = full
    outputs(memory)[0].write_bytes(pickle.dumps(other))
    same(damaged_fit(log, memory, caplog), expected)
    assert batches(log) == 9


FOREIGN = [
    ["plain", None],
    ["plain", 3.5],
    ["list", [["plain", 1], ["plain", 2]]],
    ["dict", [["a", ["plain", 1]]]],
    ["dict", [["key", ["plain", "another"]], ["result", ["plain", 1]]]],
]


@pytest.mark.parametrize("structure", FOREIGN, ids=str)
def test_a_sound_file_of_something_else_is_no_result(structure, full):
    log, memory = full
    np.savez(outputs(memory)[0], structure=np.array(json.dumps(structure)))
    with pytest.raises(ValueError, match="memory holds something else than .* batch"):
        fit(log, memory)


class Trap:
    """An object whose pickle makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_folder_is_data_and_not_code(full, expected, tmp_path, caplog):
    log, memory = full
    victim, sprung = outputs(memory)[0], tmp_path / "sprung"
    content = {name: np.load(victim)[name] for name in np.load(victim).files}
    trap = np.array([Trap(str(sprung))], dtype=object)
    for hostile in ({"a": trap}, {**content, **dict.fromkeys(content, trap)}):
        np.savez(victim, allow_pickle=True, **hostile)
        same(damaged_fit(log, memory, caplog), expected)
        assert not sprung.exists()
    victim.write_bytes(pickle.dumps(Trap(str(sprung))))
    same(damaged_fit(log, memory, caplog), expected)
    assert not sprung.exists()


def test_a_file_of_another_batch_is_no_result(full_kept):
    log, memory = full_kept
    first, second = outputs(memory)[:2]
    first.write_bytes(second.read_bytes())
    with pytest.raises(ValueError, match="files have been exchanged"):
        fit(log, memory)


def test_no_part_of_a_file_stays(full):
    _, memory = full
    assert all(path.suffix == ".npz" for path in Path(memory).iterdir())
