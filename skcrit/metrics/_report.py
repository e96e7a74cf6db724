"""A text report on what a finder recovered."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any

import numpy as np

from skcrit._tables import text_table
from skcrit._typing import FittedFinder, IntArray
from skcrit.exceptions import NoGroundTruthError
from skcrit.ground_truth.base import GroundTruth
from skcrit.metrics._blind_report import blind_dict, blind_text
from skcrit.metrics._judgement import judge
from skcrit.metrics._tolerance import largest_tol
from skcrit.utils._arguments import check_flag, check_int


def recovery_report(
    finder: FittedFinder,
    *,
    truth: GroundTruth | None = None,
    digits: int = 3,
    output_dict: bool = False,
    max_sets: int = 20,
) -> str | dict[str, Any]:
    """Report what a fitted finder found, compared with the truth if it is known.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.
    truth : GroundTruth, default=None
        Known critical points. None uses those that the loss knows; if it knows none,
        the report contains what does not depend on them.
    digits : int, default=3
        Digits after the decimal point of scores, and significant digits of losses and
        errors.
    output_dict : bool, default=False
        Whether to return a dict instead of text.
    max_sets : int, default=20
        Largest number of rows of the table, the most frequent sets. It does not limit
        the dict.

    Returns
    -------
    report : str or dict
        If the critical points are known: scores (undefined ones are NaN), statuses,
        whether ``tol`` distinguishes the critical sets, and a table of the sets that
        converged and identified starts ended at, most frequent first: loss and
        predicted Morse index of the set (">=n" if a deep network leaves only a
        bound), reported Morse indices and nullities ("?" if unknown), number of starts
        and of hits.

        The dict has the keys "n_starts", "n_converged", "n_identified", "n_hits",
        "accuracy", "precision", "coverage", "n_sets", "n_sets_found", "loss_error",
        "index_error", "status" (dict of counts), "tol", "resolution", "resolved" and
        "sets", a list of dicts with "set" (name), "loss", "predicted_indices",
        "index_bounds" (of starts without an exact prediction), "morse_indices" and
        "nullities" (-1 if unknown), "count" and "n_hits"; and "n_beside" if the truth
        lists some Morse indices only: the number of starts that it cannot judge.

        If the critical points are not known, the dict has the keys "n_starts",
        "n_converged", "n_known_index" (converged starts with a known Morse index),
        "n_sets_found", "confirmed" and "gradient_flat" (shares of all starts that ended
        at a confirmed critical point of known index, and with the status
        GRADIENT_FLAT), "sample_coverage" and "richness" (:func:`good_turing_coverage`
        and :func:`chao1_richness`; NaN for a :class:`~skcrit.LandscapeExplorer`, whose
        counts are not a random sample), "euler_sum" (:func:`euler_sum`; NaN with an
        "euler_sum_reason"), "euler_alarm" (a sentence if the loss is coercive and
        the sum proves that sets are missing), "status", "tol" and "sets", the rows of
        ``finder.summary()``. The text says the same.

    Raises
    ------
    NotFittedError
        If the finder is not fitted.
    TypeError
        If ``finder`` is not a finder, or ``truth`` is not a ground truth.
    ValueError
        If the points of ``truth`` have another number of parameters, or another
        parameter is out of range.

    Warns
    -----
    UserWarning
        If the critical points are not known and nearly every set was reached by one
        search only, see :meth:`skcrit.BaseFinder.summary`.

    Notes
    -----
    A start has reached ``tol`` at a gradient norm of sqrt(tol); for ``tol="auto"``
    "tol" is the largest tolerance of the converged starts. Critical sets can be
    distinguished up to the rescaled gradient norm ``resolution`` of the truth. If
    sqrt(tol) is larger, searches can stop before it is clear which set they approach,
    and then count as ambiguous.

    Examples
    --------
    >>> from skcrit.finders import NewtonMRFinder
    >>> from skcrit.metrics import recovery_report
    >>> X = [[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]]
    >>> finder = NewtonMRFinder(n_starts=10, random_state=0).fit(X)
    >>> report = recovery_report(finder, output_dict=True)
    >>> report["n_sets"], report["accuracy"], report["resolved"]
    (7, 1.0, True)
    """
    digits, max_sets = check_int(digits, "digits"), check_int(max_sets, "max_sets")
    output_dict = check_flag(output_dict, "output_dict")
    try:
        judgement = judge(finder, truth)
    except NoGroundTruthError:
        if output_dict:
            return blind_dict(finder)
        return blind_text(finder, digits, max_sets)
    report: dict[str, Any] = _summary(finder, judgement)
    if getattr(judgement.truth, "listed_indices", None) is not None:
        report["n_beside"] = int(np.sum(~judgement.judged))
    report["sets"] = _set_rows(judgement, np.asarray(finder.results_["nullity"]))
    if output_dict:
        return report
    title = f"{type(finder).__name__} on {judgement.truth!r}"
    lines = [title, "", *_header(report, digits), ""]
    return "\n".join([*lines, *_table(report["sets"], digits, max_sets)]) + "\n"


def _summary(finder: Any, judgement: Any) -> dict[str, int]:
    """Collect everything but the table."""
    resolution, tol = judgement.truth.resolution, largest_tol(finder)
    names, counts = np.unique(finder.results_["status"], return_counts=True)
    return {
        "n_starts": len(judgement.hit),
        "n_converged": int(judgement.converged.sum()),
        "n_identified": int((judgement.converged & judgement.identified).sum()),
        "n_hits": int(judgement.hit.sum()),
        "accuracy": judgement.accuracy,
        "precision": judgement.precision,
        "coverage": judgement.coverage,
        "n_sets": judgement.truth.n_sets,
        "n_sets_found": len(judgement.sets_found),
        "loss_error": judgement.loss_error,
        "index_error": judgement.index_error,
        "status": dict(zip(names.tolist(), counts.tolist(), strict=True)),
        "tol": tol,
        "resolution": resolution,
        "resolved": bool(tol**0.5 <= resolution),
    }


def _set_rows(judgement: Any, nullity: IntArray) -> list[Any]:
    """Describe each set that some converged start is identified with."""
    starts = np.flatnonzero(judgement.converged & judgement.identified)
    by_set = sorted(starts, key=lambda i: judgement.sets[i])
    rows = []
    for name, members in groupby(by_set, key=lambda i: judgement.sets[i]):
        members = np.array(list(members))
        exact = members[judgement.predicted_index[members] >= 0]
        bounded = members[judgement.predicted_index[members] < 0]
        rows.append({
            "set": name,
            "loss": float(judgement.predicted_loss[members[0]]),
            "predicted_indices": _distinct(judgement.predicted_index[exact]),
            "index_bounds": _distinct(judgement.least_index[bounded]),
            "morse_indices": _distinct(judgement.morse_index[members]),
            "nullities": _distinct(nullity[members]),
            "count": len(members),
            "n_hits": int(judgement.hit[members].sum()),
        })
    return sorted(rows, key=lambda row: (-row["count"], row["loss"]))


def _distinct(values: IntArray) -> list[Any]:
    """List the distinct values, ascending."""
    return np.unique(values).tolist()


def _header(report: Any, digits: Any) -> list[str]:
    """Write scores, statuses and resolution."""
    found, n_sets = report["n_sets_found"], report["n_sets"]
    counts = ("starts", "converged", "identified", "hits")
    scores = ("accuracy", "precision", "coverage", "loss_error", "index_error")
    texts = {name: f"{report[name]:.{digits}f}" for name in scores[:3]}
    texts["coverage"] += f"  ({found} of {n_sets} sets)"
    texts |= {name: f"{report[name]:.{digits}g}" for name in scores[3:]}
    lines = [f"{name:<13}{report['n_' + name]}" for name in counts]
    if report.get("n_beside"):
        beside = f"{report['n_beside']} critical points of other indices, not judged"
        lines.append(f"{'beside':<13}{beside}")
    lines += [f"{name:<13}{text}" for name, text in texts.items()]
    status = ", ".join(f"{n} {name}" for name, n in report["status"].items())
    return [
        *lines,
        f"{'status':<13}{status}",
        f"{'resolution':<13}sqrt(tol) = {report['tol'] ** 0.5:.1e}{_verdict(report)}",
    ]


def _verdict(report: dict[str, int]) -> str:
    """Say whether the tolerance distinguishes the critical sets."""
    resolution = report["resolution"]
    if math.isnan(resolution):
        return "; which tolerance distinguishes the critical sets is not known"
    if report["resolved"]:
        return f" <= {resolution:.1e}: tol distinguishes the critical sets"
    strict = resolution**2
    return (
        f" > {resolution:.1e}: tol cannot distinguish the critical sets; "
        f"tol <= {strict:.1e} would"
    )


def _table(rows: Any, digits: int, max_sets: int) -> list[str]:
    """Write the table of sets."""
    if not rows:
        return ["No converged start is identified with a critical set."]
    shown = rows[:max_sets]
    names = [_set_text(row["set"]) for row in shown]
    width = max(map(len, ["set", *names]))
    columns = {
        "set".ljust(width): [name.ljust(width) for name in names],
        "loss": [f"{row['loss']:#.{digits + 1}g}" for row in shown],
        "predicted": [_predicted_text(row) for row in shown],
        "index": [_integers_text(row["morse_indices"]) for row in shown],
        "nullity": [_integers_text(row["nullities"]) for row in shown],
        "count": [row["count"] for row in shown],
        "hits": [row["n_hits"] for row in shown],
    }
    lines = text_table(columns).splitlines()
    if len(rows) > max_sets:
        hidden = rows[max_sets:]
        starts = sum(row["count"] for row in hidden)
        lines.append(f"and {len(hidden)} more sets with {starts} starts")
    return lines


def _predicted_text(row: Any) -> str:
    """Write the Morse indices that the truth predicts, or bounds of them."""
    bounds = [f">={bound}" for bound in row["index_bounds"]]
    return ", ".join([*map(str, row["predicted_indices"]), *bounds])


def _integers_text(values: list[int]) -> str:
    """Write distinct integers; -1 stands for something unknown."""
    return ", ".join("?" if value < 0 else str(value) for value in values)


def _set_text(name: Any) -> str:
    """Write the name of a set; of indices, runs of three and more as ranges."""
    if not isinstance(name, tuple):
        return str(name)
    parts = []
    for _, run in groupby(enumerate(name), key=lambda pair: pair[1] - pair[0]):
        run = [index for _, index in run]
        if len(run) > 2:
            parts.append(f"{run[0]}-{run[-1]}")
        else:
            parts.extend(map(str, run))
    return "{" + ", ".join(parts) + "}"
