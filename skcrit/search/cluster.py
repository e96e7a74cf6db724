"""Values that every worker of a Dask cluster holds; imported where there is one."""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import Any

from distributed import Client, WorkerPlugin

from skcrit.search.held import forget, keep

__all__ = ["Holder", "hold"]


class Holder(WorkerPlugin):
    """Keep a value in each worker, also in those that join or start again later.

    Parameters
    ----------
    name : str
        Name by which tasks ask for it.
    content : bytes
        The value, pickled.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.name, self.content = name, content

    def setup(self, worker: Any) -> None:
        """Keep the value; it is read by the first task that needs it."""
        keep(self.name, self.content)

    def teardown(self, worker: Any) -> None:
        """Drop the value."""
        forget(self.name)


def hold(owner: object, client: Client, name: str, content: bytes) -> None:
    """Send a value to all workers, for as long as its owner lives."""
    client.register_plugin(Holder(name, content), name=name)
    weakref.finalize(owner, _release, weakref.ref(client), name)


def _release(reference: weakref.ref[Client], name: str) -> None:
    """Let the workers drop a value, unless they are gone."""
    # Whatever thread collects the owner: the client's own loop does it.
    client = reference()
    loop = None if client is None else client.loop
    if client is not None and loop is not None and client.status == "running":
        loop.add_callback(_unregister, client, name)


async def _unregister(client: Client, name: str) -> None:
    with suppress(Exception):  # a cluster that is closing has dropped everything
        await client.unregister_worker_plugin(name)
