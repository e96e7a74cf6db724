"""Values that every worker of a Dask cluster holds, by name."""

from __future__ import annotations

import pickle
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dask.distributed import Client

__all__ = ["held", "hold"]

# What this process has been sent: pickled, until a task needs it.
_PICKLED: dict[str, bytes] = {}
_READ: dict[str, Any] = {}


def held(name: str) -> Any:
    """Return a value that was sent to this process, read where it is needed first."""
    if name not in _READ:
        # From the process that this one works for, over the cluster's own connections.
        _READ[name] = pickle.loads(_PICKLED[name])  # noqa: S301
    return _READ[name]


def hold(owner: object, client: Client, name: str, content: bytes) -> None:
    """Send a pickled value to all workers, for as long as its owner lives."""
    # Only where there is a cluster: skcrit does without Dask.
    from dask.distributed import WorkerPlugin

    class Holder(WorkerPlugin):
        """Keep a value in each worker, also in those that join or start again later."""

        def setup(self, worker: Any) -> None:
            _keep(name, content)

        def teardown(self, worker: Any) -> None:
            _forget(name)

    client.register_plugin(Holder(), name=name)
    weakref.finalize(owner, _release, weakref.ref(client), name)


def _keep(name: str, content: bytes) -> None:
    _PICKLED[name] = content


def _forget(name: str) -> None:
    _PICKLED.pop(name, None)
    _READ.pop(name, None)


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
