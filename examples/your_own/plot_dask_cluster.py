"""
A fit and a grid search over a Dask cluster
===========================================

The searches of a fit are independent of each other, so that they can run on many
machines. joblib distributes them, and Dask is one of its backends. Here a cluster of
two worker processes stands for the machines. The results are the same, bit by bit, as
without it, and a figure shows which worker ran which batch.
"""

# %%
# The estimators
# --------------
#
# A hundred searches in batches of five are twenty tasks. Smaller batches are
# distributed more evenly; larger batches compute faster.

import joblib
import matplotlib.pyplot as plt
import numpy as np
from dask.distributed import Client, LocalCluster, get_task_stream
from sklearn.model_selection import GridSearchCV

from skcrit import LinearAutoencoderLoss, NewtonMRFinder
from skcrit.datasets import make_gaussian_spectrum


def make_finder(n_starts, batch_size):
    """Search a network of two hidden units."""
    options = {"n_starts": n_starts, "batch_size": batch_size, "random_state": 0}
    return NewtonMRFinder(LinearAutoencoderLoss((2,)), init="gaussian", **options)


def make_grid_search():
    """Choose tolerance and penalty by the recovery accuracy."""
    grid = {"tol": [1e-4, 1e-10], "loss__alpha": [0.0, 0.01]}
    return GridSearchCV(make_finder(n_starts=10, batch_size=5), grid, cv=2)


# %%
# On the cluster
# --------------
#
# Only the context changes: within ``parallel_config(backend="dask")`` joblib
# sends its tasks to the client that was made last. A grid search sends candidates and
# folds, and each of their fits sends batches in turn. The task stream is Dask's record
# of which task ran on which worker, and when.


def fit_on_cluster(X):
    """Fit both over two workers, and return the task streams, too."""
    workers = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with (
        LocalCluster(**workers, dashboard_address=":0") as cluster,
        Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        make_finder(n_starts=4, batch_size=1).fit(X)  # workers import what they need
        with get_task_stream() as fit_tasks:
            finder = make_finder(n_starts=40, batch_size=5).fit(X)
        with get_task_stream() as search_tasks:
            search = make_grid_search().fit(X)
    return finder, search, {"fit": fit_tasks.data, "grid search": search_tasks.data}


# %%
# The same without it
# -------------------
#
# Every search has a random stream of its own, and batches are independent of each
# other. Therefore no bit of the result depends on which worker solves which batch.


def compare(X, finder, search, tasks):
    """Find out whether fits in this process have the same results, bit by bit."""
    alone = make_finder(n_starts=40, batch_size=5).fit(X)
    names = ("final_params_", "critical_points_", "counts_")
    pairs = [(getattr(finder, name), getattr(alone, name)) for name in names]
    results = make_grid_search().fit(X).cv_results_
    names = ("split0_test_score", "split1_test_score", "rank_test_score")
    pairs += [(search.cv_results_[name], results[name]) for name in names]
    same = all(np.array_equal(*pair) for pair in pairs)
    # sphinx_gallery_start_ignore
    assert same
    for stream in tasks.values():
        assert len({task["worker"] for task in stream}) == 2
    # sphinx_gallery_end_ignore
    return same


# %%
# The figure
# ----------
#
# Each bar is a task: one batch, or several quick ones that joblib has joined. In the
# grid search the batches of different fits share the workers.


def draw(tasks):
    """Show when each worker solved batches."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 2.6), layout="constrained")
    for ax, (name, stream) in zip(axes, tasks.items(), strict=True):
        # Fits of a grid search are tasks too, but they only wait for their batches.
        solved = [task for task in stream if "fit_and_score" not in task["key"]]
        workers = sorted({task["worker"] for task in solved})
        spans = [
            (workers.index(task["worker"]), step["start"], step["stop"])
            for task in solved
            for step in task["startstops"]
            if step["action"] == "compute"
        ]
        begin = min(start for _, start, _ in spans)
        for worker, start, stop in spans:
            bar = {"left": start - begin, "height": 0.7, "edgecolor": "white"}
            colour = ("#0072B2", "#E69F00")[worker]
            ax.barh(worker, stop - start, color=colour, **bar)
        ax.set(title=f"{name}: {len(solved)} tasks", xlabel="Seconds", ylim=(-0.6, 1.6))
        ax.set_yticks(range(2), ["worker 1", "worker 2"])
    plt.show()


# %%
# Worker processes import the file that starts them. The guard keeps them from starting
# a cluster themselves: a script or a module needs it, a notebook does not.

if __name__ == "__main__":
    X = make_gaussian_spectrum(
        1000, eigenvalues=np.arange(8.0, 0.0, -1), random_state=0
    )
    finder, search, tasks = fit_on_cluster(X)
    same = compare(X, finder, search, tasks)
    print(f"the same in one process, bit by bit: {same}")
    print(f"{finder.n_critical_sets_} critical sets from {finder.n_starts} searches")
    print(f"best: {search.best_params_}, accuracy {search.best_score_:.2f}")
    draw(tasks)
