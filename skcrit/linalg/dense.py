"""Largest numbers of parameters for which dense Hessians are formed, by purpose.

A dense Hessian costs one product per parameter, and its decomposition a time
proportional to the cube of their number, but it then serves any number of systems. The
table gives milliseconds per point on one core, for networks d-p-d
(``benchmarks/dense_or_products.py``; AMD EPYC, shared with other work). "Krylov" is a
space of 50 products for the systems, and of 100 for the count:

====  =================  =================  =================
size  2 trials: dense    10 shifts: dense   count: dense
      (Krylov)           (Krylov)           (Krylov)
====  =================  =================  =================
32    0.2 (0.6)          0.2 (2.8)          0.2
64    0.6 (1.4)          0.7 (8.4)          0.6
128   2.4 (1.3)          2.5 (5.0)          1.7 (2.7)
256   8.5 (1.5)          7.0 (6.1)          7.1 (4.3)
512   49 (4.6)           60 (7.0)           36 (7.7)
1024  288 (14)           430 (27)           286 (23)
4096  15100 (19)         15800 (34)         17800 (89)
====  =================  =================  =================
"""

# A decomposition that serves one or two damped systems, as in Levenberg-Marquardt: at
# 64 it takes half the time of a Krylov space, at 128 nearly twice as much.
MAX_DENSE_TRIALS = 64

# A decomposition that serves a ladder of shifts, as in Newton-TR: the many small
# least-squares problems on a Krylov space cost as much as it does at 256.
MAX_DENSE_LADDER = 256

# All eigenvectors in each step of saddle dynamics. Whole searches of index 0 take 1.5
# times as long as with products at 256, and 2.8 times at 384; for higher indices
# products pay later (benchmarks/saddle_dynamics_crossover.py, doc/landscape.md).
MAX_DENSE_EIGENVECTORS = 256

# All eigenvectors in each step of a search that has made little progress with products:
# some tens of decompositions take less time than many more small steps.
MAX_DENSE_FALLBACK = 512

# The number of negative eigenvalues, once per search: 0.3 seconds at 1024. Only dense
# Hessians give it exactly.
MAX_DENSE_COUNT = 1024

# Beyond this number dense Hessians are only formed on request: one takes 134 MB in
# double precision and 18 seconds.
MAX_DENSE_FORMED = 4096
