"""Run the benchmarks of speed, and write raw numbers, tables and a figure.

Usage: ``python -m benchmarks.speed.run [--backend numpy] [--group small]``. Each group
has a record of its own, with the machine on which it was measured.
"""

import argparse
import json
import os
import time
from pathlib import Path

# One thread: so do the searches, and a rate of one core is what they are held against.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from . import growth, kernels, large, machine, published, versus
from .page import write_page

FOLDER = Path(__file__).resolve().parents[2] / "doc" / "benchmarks"


def plan(backend, group):
    """List what is measured.

    Parameters
    ----------
    backend : str
        Array library; what compares with other programs runs on the host only.
    group : {"small", "large", "landscape"}
        What belongs together; the last two take long.

    Returns
    -------
    plan : dict of str to callable
        What makes each table.
    """
    if group == "landscape":
        # The explorer works on the host.
        return {"landscape": large.landscape} if backend == "numpy" else {}
    if group == "large":
        sizes = (1_000, 10_000, 100_000)
        return {
            "image": lambda: large.image_sized(backend=backend),
            "starts_large": lambda: growth.starts(sizes, backend=backend),
        }
    anywhere = {
        "products": lambda: kernels.products(backend),
        "batches": lambda: growth.batches(backend=backend),
        "starts": lambda: growth.starts(backend=backend),
    }
    on_the_host = {
        "autograd": published.against_autograd,
        "inner": kernels.inner_solvers,
        "versus": versus.compare,
        "samples": growth.samples,
        "workers": growth.workers,
    }
    return anywhere | (on_the_host if backend == "numpy" else {})


def main():
    """Measure, keep the raw numbers, and write the page from all that are kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="numpy", choices=("numpy", "cupy"))
    groups = ("small", "large", "landscape")
    parser.add_argument("--group", default="small", choices=groups)
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    record = {"machine": machine.describe(options.backend), "results": {}}
    for name, run in plan(options.backend, options.group).items():
        begin = time.perf_counter()
        record["results"][name] = run()
        print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)
    suffix = "" if options.group == "small" else f"_{options.group}"
    name = f"{options.backend}{suffix}"
    text = json.dumps(record, indent=1) + "\n"
    (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
    write_page(FOLDER)


if __name__ == "__main__":
    main()
