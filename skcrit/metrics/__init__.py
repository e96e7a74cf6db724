"""Metrics of fitted finders, also in the form of scorers."""

from skcrit.metrics._agreement import Agreement, finder_agreement
from skcrit.metrics._entropy import (
    participation_entropy,
    participation_entropy_interval,
)
from skcrit.metrics._euler import euler_sum, morse_inequalities
from skcrit.metrics._judgement import Judgement, judge
from skcrit.metrics._participation import participation_counts
from skcrit.metrics._probe import probe_coverage, probe_coverage_interval
from skcrit.metrics._recovery import (
    index_error,
    loss_error,
    recovery_accuracy,
    recovery_coverage,
    recovery_precision,
)
from skcrit.metrics._report import recovery_report
from skcrit.metrics._scorers import (
    index_error_scorer,
    loss_error_scorer,
    participation_entropy_scorer,
    recovery_accuracy_scorer,
    recovery_coverage_scorer,
    recovery_precision_scorer,
)
from skcrit.metrics._summary import Summary
from skcrit.metrics._uniformity import UniformityResult, uniformity_test
from skcrit.metrics._unseen import (
    chao1_richness,
    chao1_richness_interval,
    good_turing_coverage,
    good_turing_coverage_interval,
)

__all__ = [
    "Agreement",
    "Judgement",
    "Summary",
    "UniformityResult",
    "chao1_richness",
    "chao1_richness_interval",
    "euler_sum",
    "finder_agreement",
    "good_turing_coverage",
    "good_turing_coverage_interval",
    "index_error",
    "index_error_scorer",
    "judge",
    "loss_error",
    "loss_error_scorer",
    "morse_inequalities",
    "participation_counts",
    "participation_entropy",
    "participation_entropy_interval",
    "participation_entropy_scorer",
    "probe_coverage",
    "probe_coverage_interval",
    "recovery_accuracy",
    "recovery_accuracy_scorer",
    "recovery_coverage",
    "recovery_coverage_scorer",
    "recovery_precision",
    "recovery_precision_scorer",
    "recovery_report",
    "uniformity_test",
]
