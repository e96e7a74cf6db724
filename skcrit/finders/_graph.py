"""Which critical set was reached from which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skcrit._typing import IntArray

if TYPE_CHECKING:
    import networkx


def search_edges(results: dict[str, Any]) -> IntArray:
    """List which set was reached from which, in the order of discovery."""
    names = ("parent", "critical_set", "direction", "sign")
    rows = np.stack([results[name] for name in names], axis=1)
    rows = rows[(rows[:, 0] >= 0) & (rows[:, 1] >= 0)]
    _, first, counts = np.unique(
        rows[:, :2], axis=0, return_index=True, return_counts=True
    )
    edges = np.column_stack([rows[first], counts])
    return edges[np.argsort(first, kind="stable")].astype(int)


def search_graph(explorer: Any) -> networkx.DiGraph:
    """Make a graph of the sets and searches of a fitted explorer."""
    check_is_fitted(explorer)
    try:
        import networkx
    except ImportError as error:
        raise ImportError(
            "to_networkx needs networkx: install skcrit[plot]; edges_ holds the "
            "same as an array."
        ) from error
    graph = networkx.DiGraph()
    columns = (explorer.critical_losses_, explorer.morse_indices_, explorer.counts_)
    for node, (loss, index, count) in enumerate(zip(*columns, strict=True)):
        graph.add_node(node, loss=float(loss), morse_index=int(index), count=int(count))
    for parent, child, direction, sign, count in explorer.edges_.tolist():
        graph.add_edge(parent, child, direction=direction, sign=sign, count=count)
    return graph
