"""The page: tables and a figure from the raw numbers."""

import json

__all__ = ["write_page"]

_TITLES = {
    "products": (
        "One product with the Hessian",
        "Time of a batch over the time that 12 d²p operations per point take at the "
        "machine's matrix rate (a product of two matrices of 1024 rows). Below one: "
        "the products are ordered so that they need about 4 d²p.",
    ),
    "autograd": (
        "One Newton-MR iteration against differentiation over the samples",
        "25 inner products and a search for the length, per start, 16-4-16. The other "
        "way is that of the published programs: automatic differentiation of the mean "
        "over the samples, products in a loop, one start after the other.",
    ),
    "inner": (
        "Inner solvers",
        "Singular systems at saddles of 16-4-16 with right-hand sides that are not in "
        "the range. The shortest least-squares solution is wanted.",
    ),
    "versus": (
        "Against scipy.optimize",
        "The study's network, 100 starts on five descents unless another number is "
        "given, squared gradient norm below 1e-10 at the balanced point; counts and "
        "milliseconds are per start. A dense Hessian counts as a product for each "
        "parameter. Our methods search from all starts in one batch unless another "
        "size is given. SciPy's run one start after the other, and do not know of the "
        "symmetries.",
    ),
    "samples": (
        "Growth with the number of samples",
        "64 features, one core. After the fit nothing depends on the samples.",
    ),
    "starts": (
        "Growth with the number of starts",
        "Newton-MR on 16-4-16, five iterations each, one worker.",
    ),
    "starts_large": ("Many starts", "The same, further."),
    "batches": (
        "Batch size",
        "Newton-MR on 16-4-16, 512 starts, at most 20 iterations.",
    ),
    "workers": (
        "Two workers against one",
        "1000 starts of Newton-MR on 16-4-16 to 1e-10, nine fits each in turns: "
        "medians, and the range of the ratio of neighbours in time. "
        "Independent are two processes with half of the starts each: what the machine "
        "allows.",
    ),
    "landscape": (
        "Every critical set of a larger network",
        "`LandscapeExplorer(max_searches=205000, round_size=1024, n_jobs=2)`; seconds "
        "of the whole fit.",
    ),
    "image": (
        "784-32-784",
        "Data as large as MNIST's images, Gaussian with eigenvalues 10/k; 20 starts, "
        "`inner_tol=0.01`, `max_inner_iter=200`.",
    ),
}

_HEAD = """# How fast

Made by `make bench` and `make bench-large` (`benchmarks/speed/`), from the raw numbers
in `doc/benchmarks/`. Medians; the first call is outside the clock. Ratios are of
numbers taken in the same run.
"""


def write_page(folder):
    """Write the page and the figure.

    Parameters
    ----------
    folder : Path
        Where the raw numbers lie; the page goes beside it.
    """
    lines = [_HEAD]
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        lines += [f"## {path.stem.replace('_', ', ')}", "", _machine(record), ""]
        for name, rows in record["results"].items():
            title, text = _TITLES[name]
            lines += [f"### {title}", "", text, "", *_table(rows), ""]
        if path.stem == "numpy":
            draw(record["results"], folder / "speed.png")
            lines += ["![Speed](benchmarks/speed.png)", ""]
    page = folder.with_suffix(".md")
    page.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _machine(record):
    """Describe the machine in a sentence."""
    machine = record["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    card = f", {machine['card']}" if "card" in machine else ""
    return (
        f"{machine['processor']}, {machine['cores']} cores{card}; Python "
        f"{machine['python']}, {versions}. Load of the machine at the beginning: "
        f"{machine['load']}."
    )


def _table(rows):
    """Write rows in Markdown."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in rows:
        lines.append("| " + " | ".join(_number(row[n]) for n in names) + " |")
    return lines


def _number(value):
    """Write a number with three digits."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def draw(results, path):
    """Draw what each method costs, and what batches save.

    Parameters
    ----------
    results : dict
        Tables by name.
    path : Path
        Where the figure goes.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.8), layout="constrained")
    rows = results["versus"][::-1]
    colors = ["#D55E00" if "scipy" in r["method"] else "#0072B2" for r in rows]
    names = [f"{r['method']}  ({r['identified']:.2f})" for r in rows]
    axes[0].barh(names, [r["milliseconds"] for r in rows], color=colors)
    axes[0].set_xlabel("Milliseconds per start")
    axes[0].set_title("Method (share identified below 1e-10)", fontsize="medium")
    rows = results["batches"]
    sizes = [r["batch"] for r in rows]
    axes[1].plot(
        sizes, [r["milliseconds per start"] for r in rows], "o-", color="#0072B2"
    )
    axes[1].set_xscale("log", base=2)
    axes[1].set_ylim(bottom=0)
    axes[1].set_xlabel("Starts per batch")
    axes[1].set_ylabel("Milliseconds per start")
    axes[1].set_title("Newton-MR, 16-4-16, one core", fontsize="medium")
    figure.savefig(path, dpi=130)
    plt.close(figure)
