"""Values that every worker of a Dask cluster holds, by name."""

from __future__ import annotations

import pickle
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dask.distributed import Client

# Values that were sent to this process: pickled, until a task needs them.
_PICKLED: dict[str, bytes] = {}
_READ: dict[str, Any] = {}


def held(name: str) -> Any:
    """Return a value that was sent to this process; it is read at its first use."""
    if name not in _READ:
        # It comes from the process that this one works for, over the cluster's
        # connections.
        _READ[name] = pickle.loads(_PICKLED[name])  # noqa: S301
    return _READ[name]


def hold(owner: object, client: Client, name: str, content: bytes) -> None:
    """Send a pickled value to all workers, for as long as its owner lives."""
    # Imported here, because skcrit does not require Dask.
    from dask.distributed import WorkerPlugin

    class Holder(WorkerPlugin):
        """Keep a value in each worker, including those that join or restart later."""

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
    # The client's own loop does it, because any thread can collect the owner.
    client = reference()
    loop = None if client is None else client.loop
    if client is not None and loop is not None and client.status == "running":
        loop.add_callback(_unregister, client, name)


async def _unregister(client: Client, name: str) -> None:
    with suppress(Exception):  # a closing cluster has dropped everything
        await client.unregister_worker_plugin(name)
