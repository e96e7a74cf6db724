"""Write the report: every number of the study, and ours as published and intended."""

import os
import platform

import numpy
import scipy
import sklearn
from published import SOURCE
from sections import (
    bias_table,
    checks_table,
    costs_table,
    performance_tables,
    rerun_table,
    tolerance_table,
)

import skcrit

__all__ = ["write_report"]

HEAD = """# Numerically recovering critical points: authors, as published, as intended

Three columns stand beside each other. **Authors**: numbers stored in the outputs of the
notebooks of {source}, or from a re-run of their programs. **As published**: the
arithmetic that these programs really run, from our starts (`as_published.py` in
`examples/paper/` lists the differences from the paper). **As intended**: the algorithms
that the paper describes, as this library has them.

The experiment: a linear autoencoder 16-4-16 on {n_samples} Gaussian samples of
covariance diag(1, ..., 16), which has {n_sets} critical sets with losses {low:.3f} ...
{high:.3f} (the authors' draw: 2517, 4.872 ... 8.524).

Success is a squared gradient norm below 1e-10 at the end of a run. A run *converges at
1e-10* if its squared gradient norm is at most 1e-10 both at its own point and at the
balanced point of the same end-to-end matrix, and Newton steps from there end nearby, at
the level of rounding; there points are identified and costs are counted. Brackets are
95 % intervals: Wilson's for shares, of a bootstrap over starts for entropies. Lists of
three are quartiles. Products are Hessian-vector products; a dense Hessian counts as
128.

Made by `{command}` in {seconds:.0f} s on {machine}, {versions}.
"""


def write_report(path, study, command, seconds):
    """Write the report of a study.

    Parameters
    ----------
    path : Path
        Markdown file to write.
    study : Study
        All fits.
    command : str
        Command that ran it.
    seconds : float
        How long that took.
    """
    loss = study.performance[0].finder.loss_
    spectrum = loss.analytical_spectrum()
    losses = spectrum.losses(spectrum.all_sets(spectrum.n_sets))
    head = HEAD.format(
        source=SOURCE,
        n_samples=loss.n_samples_seen_,
        n_sets=spectrum.n_sets,
        low=losses.min(),
        high=losses.max(),
        command=command,
        seconds=seconds,
        machine=_machine(),
        versions=_versions(),
    )
    lines = [head]
    for title, text, table in _sections(study):
        lines += [f"## {title}", "", *([text, ""] if text else []), *table, ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _sections(study):
    """List title, text and table of every section."""
    fits = study.performance
    published, intended = performance_tables(fits)
    n_draws = len({fit.draw for fit in fits})
    starts = (
        f"{len(fits[0].runs)} starts of uniform height per draw of data and descents, "
        f"{n_draws} draws, the same starts for all methods. "
    )
    yield "1. Performance (figure 1)", starts + "![](figure1.png)", published
    yield "As intended", "The paper's methods, and what balancing does.", intended
    text = (
        "The authors' own finders on another draw of the experiment, and our version "
        "of their arithmetic. *Inside*: whether our rate lies in the interval."
    )
    yield "2. The programs, re-run", text, rerun_table([*fits, *study.bias])
    text = (
        "![](figure_costs.png)\n\nFraction of starts that have converged at 1e-10 "
        "within a budget of Hessian-vector products per start."
    )
    yield "3. Equal oracle counts", text, costs_table(fits)
    text = (
        "![](figure2.png)\n\nThe Newton-MR runs, cut when they first reach a "
        "tolerance. *True*: loss and index are those of the nearest critical set. The "
        "study's index counts eigenvalues below -1e-5 at the point as it is; ours is "
        "that of the critical point to which Newton steps lead, and unknown if they "
        "lead far away."
    )
    yield "4. Tolerance (figure 2)", text, tolerance_table(fits)
    text = (
        "![](figure3.png)\n\n![](figure4.png)\n\nEntropy of participation in bits: "
        "plug-in; then corrected by the jackknife, with its interval. The bin of the "
        "origin is counted once (the authors counted it twice); 4.09 is the maximum, "
        "4.00 what a uniform sample of all sets has."
    )
    yield "5. Bias (figures 3 and 4)", text, bias_table(study.bias)
    yield "6. Checks", "", checks_table(study)


def _versions():
    modules = (skcrit, numpy, scipy, sklearn)
    texts = [f"{module.__name__} {module.__version__}" for module in modules]
    return ", ".join([f"Python {platform.python_version()}", *texts])


def _machine():
    """Name processor and cores."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            models = [line for line in file if line.startswith("model name")]
        name = models[0].split(":", 1)[1].strip() if models else name
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"
