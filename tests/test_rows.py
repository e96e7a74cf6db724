"""Records that grow are those of joining their parts."""

from dataclasses import dataclass

import numpy as np

from skcrit._rows import GrowingRows, Rows


@dataclass
class Inner(Rows):
    level: np.ndarray


@dataclass
class Outer(Rows):
    point: np.ndarray
    label: np.ndarray
    inner: Inner


def test_a_record_that_grows_is_that_of_its_parts(rng):
    parts = []
    for n in (3, 0, 1, 10, 2, 40):
        labels = rng.integers(9, size=n)
        parts.append(Outer(rng.random((n, 2)), labels, Inner(rng.random(n))))
    growing = GrowingRows(parts[0])
    first = growing.rows
    for part in parts[1:]:
        growing.add(part)
    whole, expected = growing.rows, Outer.concatenate(parts)
    np.testing.assert_array_equal(whole.point, expected.point)
    np.testing.assert_array_equal(whole.label, expected.label)
    np.testing.assert_array_equal(whole.inner.level, expected.inner.level)
    # What was taken before is what it was.
    np.testing.assert_array_equal(first.point, parts[0].point)
