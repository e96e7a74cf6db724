"""The numbers to stand beside ours; the only ones in the report not from this run.

"stored" was read off the outputs of the authors' notebooks, "rerun" comes from running
their finders, unchanged, on a fresh draw of the same experiment.
"""

SOURCE = (
    "C. G. Frye, N. S. Wadia, M. R. DeWeese and K. E. Bouchard, "
    '"Numerically recovering the critical points of a deep linear autoencoder", '
    "arXiv:1901.10603, 2019"
)

# Successes and runs; the interval is computed as ours are.
NEWTON_MR_SUCCESSES = (69, 75)

# Keys are rows of the report.
NEWTON_MR_STORED = {
    "iterations": "98, 185, 500 in all (a)",
}
NEWTON_MR_RERUN = {
    "runs": "75",
    "success": "0.87 [0.77, 0.93]",
    "below_tol": "0.72",
    "iterations": "26, 43, 75",
    "sets": "31",
    "entropy": "3.55 (b)",
    "origin": "about 1/5",
}
REMARKS = (
    "(a) Quartiles of the iterations that successful runs took until they ended, at "
    "most 500; not until 1e-10.",
    "(b) Their estimate counts the bin of the origin twice; ours counts it once.",
)
