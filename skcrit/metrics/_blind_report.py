"""A text report on a finder whose loss has no known critical points."""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._tables import text_table
from skcrit.metrics._euler import euler_terms
from skcrit.metrics._summary import Summary, summarize
from skcrit.metrics._tolerance import largest_tol
from skcrit.metrics._unseen import chao1_richness, good_turing_coverage


def blind_text(finder: Any, digits: int, max_sets: int) -> str:
    """Write what is known of a finder without a ground truth."""
    summary = summarize(finder)
    report = blind_dict(finder, summary)
    name = type(finder.loss_).__name__
    title = f"{type(finder).__name__} on {name}, whose critical points are not known"
    lines = [title, "", *_header(report, digits), ""]
    if len(summary) == 0:
        return "\n".join([*lines, "No start converged."]) + "\n"
    order = np.argsort(-summary.count, kind="stable")
    lines.append(text_table(summary.rows(order[:max_sets])))
    if len(order) > max_sets:
        rest = summary.count[order[max_sets:]]
        lines.append(f"and {len(rest)} more sets with {rest.sum()} starts")
    return "\n".join(lines) + "\n"


def blind_dict(finder: Any, summary: Summary | None = None) -> dict[str, Any]:
    """Collect what is known of a finder without a ground truth, the table included."""
    summary = summarize(finder) if summary is None else summary
    results = finder.results_
    status, counts = np.unique(results["status"], return_counts=True)
    converged = np.asarray(finder.converged_)
    known = converged & (np.asarray(results["morse_index"]) >= 0)
    flat = np.asarray(results["status"]) == "GRADIENT_FLAT"
    # The counts of an exploration are not a random sample.
    is_sample = not hasattr(finder, "n_searches_") and len(summary) > 0
    total, reason = _euler(finder)
    columns = {name: values.tolist() for name, values in summary.to_dict().items()}
    rows = zip(*columns.values(), strict=True)
    nan = float("nan")
    return {
        "n_starts": len(converged),
        "n_converged": int(converged.sum()),
        "n_known_index": int(known.sum()),
        "n_sets_found": len(summary),
        "confirmed": float(np.mean(known)),
        "gradient_flat": float(np.mean(flat)),
        "sample_coverage": good_turing_coverage(finder) if is_sample else nan,
        "richness": chao1_richness(finder) if is_sample else nan,
        "euler_sum": total,
        "euler_sum_reason": reason,
        "euler_alarm": summary.alarm,
        "status": dict(zip(status.tolist(), counts.tolist(), strict=True)),
        "tol": largest_tol(finder),
        "sets": [dict(zip(columns, row, strict=True)) for row in rows],
    }


def _euler(finder: Any) -> tuple[float, str]:
    """Return the alternating sum, or NaN and why it is not defined."""
    try:
        return float(np.sum(euler_terms(finder))), ""
    except ArithmeticError as reason:
        return float("nan"), str(reason)


def _header(report: Any, digits: Any) -> list[str]:
    """Write shares, statuses and sums."""
    status = ", ".join(f"{n} {name}" for name, n in report["status"].items())
    total = f"{report['euler_sum']:+.0f}"
    if report["euler_sum_reason"]:
        total = f"not defined: {report['euler_sum_reason']}"
    lines = {
        "starts": report["n_starts"],
        "converged": report["n_converged"],
        "known index": report["n_known_index"],
        "sets found": report["n_sets_found"],
        "confirmed": f"{report['confirmed']:.{digits}f}  (share of all starts)",
        "flat": f"{report['gradient_flat']:.{digits}f}  (share of all starts)",
    }
    if not np.isnan(report["richness"]):
        lines["coverage"] = f"{report['sample_coverage']:.{digits}f}  (of the sampler)"
        lines["richness"] = f"{report['richness']:.0f} sets or more, estimated"
    lines |= {
        "status": status,
        "sqrt(tol)": f"{report['tol'] ** 0.5:.1e}",
        "Euler sum": total,
    }
    if report["euler_alarm"]:
        lines["alarm"] = report["euler_alarm"]
    return [f"{name:<13}{text}" for name, text in lines.items()]
