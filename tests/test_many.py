"""The page of several machines holds what was measured."""

import json

import pytest

pytest.importorskip("distributed")

from benchmarks import many  # noqa: E402 (it needs distributed)


def test_page_is_that_of_the_raw_numbers():
    record = json.loads((many.DOC / "many_machines.json").read_text(encoding="utf-8"))
    written = (many.DOC / "many_machines_measured.md").read_text(encoding="utf-8")
    assert written == many.page(record)
    assert {row["workers"] for row in record["scaling"]} == {1, 2, 4}
    forgets, keeps = record["losses"]
    assert keeps["solved twice"] <= forgets["solved twice"]
