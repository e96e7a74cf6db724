"""Measure what is found from the starts that can be chosen by name.

The tables go to ``doc/starts_measured.md``, parts of which the pages on choosing and on
reliability include.
"""

import argparse
import platform
import re
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import skcrit
from skcrit import (
    GradNormFinder,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    NewtonTRFinder,
    SaddleDynamicsFinder,
    SpreadStarts,
    TrajectoryStarts,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.metrics import judge
from tests.finders._own_functions import NAMES, own_function

PAGE = Path(__file__).resolve().parents[1] / "doc" / "starts_measured.md"

METHODS = {
    "Newton-MR": NewtonMRFinder,
    "saddle dynamics": SaddleDynamicsFinder,
    "gradient norm": GradNormFinder,
}
INITS = ("auto", "height", "gaussian", "spread")

# Hidden layers, eigenvalues of the data, and the methods that search.
NETWORKS = {
    "5-2-5": ((2,), np.arange(5.0, 0, -1), 2),
    "10-4-3-10": ((4, 3), np.arange(10.0, 0, -1), 1),
    "8-3-8, ratio 1e4": ((3,), np.geomspace(1e4, 1, 8), 2),
    "8-3-8, ratio 1e6": ((3,), np.geomspace(1e6, 1, 8), 2),
}
N_STARTS = 100

# Functions, and how many starts of how many draws.
FUNCTIONS = {name: (30, 6) for name in NAMES if "atoms" not in name}
FUNCTIONS["4 atoms"] = (60, 2)
SIZES = {"two sizes": SpreadStarts(n_sizes=2), "gaussian": "gaussian"}
SIZES["spread"] = "spread"


def fitted(finder, loss):
    """Fit without warnings."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return finder.fit(loss)


def network_cell(loss, method, init):
    """Search a network; format sets, their entropy in bits, and the accuracy."""
    finder = fitted(method(n_starts=N_STARTS, init=init, random_state=0), loss)
    judgement = judge(finder)
    known = judgement.converged & judgement.identified
    _, counts = np.unique([str(s) for s in judgement.sets[known]], return_counts=True)
    shares = counts / counts.sum()
    bits = abs(float(np.sum(shares * np.log2(shares))))
    return f"{len(counts)}, {bits:.2f}, {judgement.accuracy:.2f}"


def networks():
    """Write the table of networks: a row for each of them and each method."""
    yield "| network | searches | " + " | ".join(f'`"{i}"`' for i in INITS) + " |"
    yield "|---" * (2 + len(INITS)) + "|"
    for name, (hidden, eigenvalues, n_methods) in NETWORKS.items():
        X = make_gaussian_spectrum(
            500, eigenvalues=eigenvalues, exact=True, random_state=0
        )
        loss = LinearAutoencoderLoss(hidden).fit(X)
        title = f"{name}, {loss.analytical_spectrum().n_sets} sets"
        for which in list(METHODS)[:n_methods]:
            cells = [network_cell(loss, METHODS[which], init) for init in INITS]
            yield f"| {title} | {which} | " + " | ".join(cells) + " |"
            title = ""


def share(name, method, init, n_starts, n_draws):
    """Average the share of the known points that is found, over draws of starts."""
    found = []
    for draw in range(n_draws):
        function = own_function(name)
        options = {"n_starts": n_starts, "init": init, "random_state": draw}
        finder = fitted(method(**options), function.loss)
        n_found, _ = function.tally(finder.critical_points_)
        found.append(n_found / len(function.known))
    return float(np.mean(found))


def functions():
    """Write the table of functions, a row each."""
    yield "| function | " + " | ".join(SIZES) + " |"
    yield "|---" * (1 + len(SIZES)) + "|"
    for name, (n_starts, n_draws) in FUNCTIONS.items():
        cells = []
        for init in SIZES.values():
            shares = [share(name, m, init, n_starts, n_draws) for m in METHODS.values()]
            cells.append(", ".join(f"{s:.2f}" for s in shares))
        yield f"| {name} | " + " | ".join(cells) + " |"


def thorough():
    """Write what 500 starts of two sizes find, a row for each function."""
    methods = {**METHODS, "Newton-TR": NewtonTRFinder}
    yield "| function | " + " | ".join(methods) + " |"
    yield "|---" * (1 + len(methods)) + "|"
    for name in NAMES:
        init = SIZES["two sizes"]
        shares = [share(name, method, init, 500, 1) for method in methods.values()]
        yield f"| {name} | " + " | ".join(f"{s:.2f}" for s in shares) + " |"


def digits():
    """Write how many of 16 searches converge on handwritten digits."""
    X = load_digits().data / 16
    loss = LinearAutoencoderLoss((3,)).fit(X)
    accurate = {"inner_tol": 1e-6, "max_inner_iter": loss.n_params_}
    yield "| linear systems | Newton-MR alone (`fallback=False`) | with the fall-back |"
    yield "|---|---|---|"
    exact = f"`inner_tol=1e-6, max_inner_iter={loss.n_params_}`"
    for name, options in (("default", {}), (exact, accurate)):
        cells = []
        for fallback in (False, True):
            finder = NewtonMRFinder(
                n_starts=16,
                init=TrajectoryStarts(n_steps=1000),
                max_iter=150,
                tol=1e-20,
                random_state=0,
                fallback=fallback,
                **options,
            )
            cells.append(f"{fitted(finder, loss).converged_.sum()} of 16")
        yield f"| {name} | " + " | ".join(cells) + " |"


PARTS = {
    "networks": networks,
    "functions": functions,
    "thorough": thorough,
    "digits": digits,
}


def main():
    """Measure the parts that are asked for, and write them to the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=[*PARTS], default=[*PARTS])
    versions = (
        f"(`benchmarks/starts.py`, Python {platform.python_version()}, NumPy "
        f"{np.__version__}, skcrit {skcrit.__version__}.)"
    )
    for part in parser.parse_args().parts:
        text = "\n".join(PARTS[part]())
        print(f"{part}\n{text}\n")
        page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        end = f"<!-- end of {part} -->"
        kept = re.sub(f"<!-- {part} -->.*?{end}\n+", "", page, flags=re.DOTALL)
        block = f"<!-- {part} -->\n\n{text}\n\n{versions}\n\n{end}\n"
        PAGE.write_text("\n".join(filter(None, [kept, block])), encoding="utf-8")


if __name__ == "__main__":
    main()
