"""Small tables of columns, as text and as HTML."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import numpy as np


def data_frame(columns: Mapping[str, Any]) -> Any:
    """Make a data frame; ImportError says what is needed."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "to_frame needs pandas: install skcrit[plot]; to_dict returns the same "
            "columns as arrays."
        ) from error
    return pandas.DataFrame(columns)


def text_table(columns: Mapping[str, Iterable[Any]]) -> str:
    """Align columns of equal length under their names."""
    cells = [[name, *map(_cell, values)] for name, values in columns.items()]
    widths = [max(map(len, column)) for column in cells]
    rows = zip(*cells, strict=True)
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def html_table(title: str, columns: Mapping[str, Iterable[Any]]) -> str:
    """Write columns of equal length as a plain table."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_cell(value))}</td>" for value in row) + "</tr>"
        for row in zip(*columns.values(), strict=True)
    )
    return (
        f"<table><caption>{escape(title)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(value: Any) -> str:
    """Write a fraction with four digits, anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
