"""Exact counting of the critical sets: how many, of which index, one at random.

A critical set is a multiplicity vector (k_e) with 0 <= k_e <= m_e and a sum of at most
the bottleneck. Everything here is done in Python integers, which do not overflow: 784
features and 64 hidden units have more sets than float64 can hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from skcrit._typing import IntArray


def suffix_counts(multiplicities: IntArray, max_rank: int) -> list[list[int]]:
    """Count the choices from the last clusters, for each budget."""
    # ``table[e][c]`` is the number of vectors (k_e, k_{e+1}, ...) with a sum of at most
    # c; ``table[0][max_rank]`` is the number of critical sets.
    table = [[1] * (max_rank + 1)]
    for m in reversed([int(m) for m in multiplicities]):
        last = table[-1]
        # A window sum of m + 1 terms, by prefix sums.
        prefix = [0]
        for value in last:
            prefix.append(prefix[-1] + value)
        table.append([prefix[c + 1] - prefix[max(0, c - m)] for c in range(len(last))])
    return table[::-1]


def tally_indices(
    multiplicities: IntArray, bottleneck: int, extra: bool = True
) -> dict[int, int]:
    """Count the critical sets of each Morse index without enumerating them."""
    # The generating function sum_k q^((p-k)(r-k)) A_k(q), where A_k counts the vectors
    # of sum k by their inversions; without ``extra`` the first factor is left out.
    # Adding a cluster of m_e eigenvalues below M others of which k are used, and using
    # j of them, makes j (M - k) new inversions: A'_(k+j) += q^(j(M-k)) A_k. With m_e =
    # 1 throughout A_k is the Gaussian binomial [r choose k] and this is its recursion.
    total = int(sum(int(m) for m in multiplicities))
    max_rank = min(bottleneck, total)
    n_sets = suffix_counts(multiplicities, max_rank)[0][max_rank]
    # Kronecker substitution: a polynomial is one integer whose digits of `bits` bits
    # are its coefficients. No coefficient exceeds n_sets, so digits never carry, and
    # multiplying by a power of q is a shift.
    bits = n_sets.bit_length()
    if all(m == 1 for m in multiplicities):
        poly = _gaussian_binomials(total, max_rank, bits)
    else:
        poly = _add_clusters(multiplicities, max_rank, bits)
    packed = sum(
        a << (bits * (bottleneck - k) * (total - k) if extra else 0)
        for k, a in enumerate(poly)
    )
    return _unpack(packed, bits)


def _add_clusters(multiplicities: Any, max_rank: Any, bits: Any) -> Any:
    """Return A_0, ..., A_max_rank, packed, one cluster after the other."""
    poly = [1] + [0] * max_rank
    seen = 0
    for m in (int(m) for m in multiplicities):
        new = [0] * (max_rank + 1)
        for k in range(min(seen, max_rank) + 1):
            for j in range(min(m, max_rank - k) + 1):
                new[k + j] += poly[k] << (bits * j * (seen - k))
        poly = new
        seen += m
    return poly


def _gaussian_binomials(total: int, max_rank: int, bits: int) -> list[int]:
    """Return the Gaussian binomials [total, k] for k up to max_rank, packed."""
    # [r, k] = [r, k-1] (1 - q^(r-k+1)) / (1 - q^k): p steps instead of r p. Division
    # is by the series 1/(1 - x) = (1 + x)(1 + x^2)(1 + x^4)..., modulo a power of two
    # above the degree, where borrows between digits cancel in the end.
    poly = [1]
    for k in range(1, max_rank + 1):
        n_digits = k * (total - k) + 1
        modulus = (1 << (bits * n_digits)) - 1
        value = poly[-1] - (poly[-1] << (bits * (total - k + 1)))
        power = k
        while power < n_digits:
            value = (value + (value << (bits * power))) & modulus
            power *= 2
        poly.append(value & modulus)
    return poly


def _unpack(packed: int, bits: int) -> dict[int, int]:
    """Read the non-zero digits of a packed polynomial: dict of power to coefficient."""
    # Whole bytes first: shifting a long integer digit by digit is quadratic.
    n_digits = -(-packed.bit_length() // bits)
    text = np.frombuffer(
        packed.to_bytes(-(-n_digits * bits // 8), "little"), dtype=np.uint8
    )
    flags = np.unpackbits(text, bitorder="little")[: n_digits * bits]
    digits = flags.reshape(n_digits, bits)
    return {
        int(i): int.from_bytes(
            np.packbits(digits[i], bitorder="little").tobytes(), "little"
        )
        for i in np.flatnonzero(digits.any(axis=1))
    }


def iterate_names(multiplicities: IntArray, rank: int) -> Iterator[Any]:
    """Yield the canonical names of the sets of one rank in lexicographic order."""
    sizes = [int(m) for m in multiplicities]
    starts = np.cumsum([0, *sizes]).tolist()
    n = len(sizes)

    # More indices from an earlier cluster come first: at the first difference the next
    # index of the larger choice is in the cluster, the other's is behind it.
    def extend(e: int, left: int) -> Iterator[Any]:
        if left == 0:
            yield ()
            return
        if e == n or starts[n] - starts[e] < left:
            return
        for j in range(min(sizes[e], left), -1, -1):
            head = tuple(range(starts[e], starts[e] + j))
            for tail in extend(e + 1, left - j):
                yield head + tail

    yield from extend(0, rank)


def sample_counts(
    multiplicities: IntArray, max_rank: int, n: Any, rng: np.random.RandomState
) -> IntArray:
    """Draw n multiplicity vectors uniformly, with replacement."""
    # Every vector has exactly the same probability: a random integer below the number
    # of sets is decoded.
    table = suffix_counts(multiplicities, max_rank)
    counts = np.zeros((n, len(multiplicities)), dtype=np.int64)
    for row in counts:
        code = _uniform_below(table[0][max_rank], rng)
        left = max_rank
        for e in range(row.size):
            if left == 0:
                break
            j = 0
            while code >= table[e + 1][left - j]:
                code -= table[e + 1][left - j]
                j += 1
            row[e] = j
            left -= j
    return counts


def _uniform_below(n: Any, rng: np.random.RandomState) -> int:
    """Draw an integer below n."""
    # Rejection keeps the draw exactly uniform; a modulus would favour small codes.
    n_bits = (n - 1).bit_length()
    n_bytes = (n_bits + 7) // 8
    if n_bytes == 0:
        return 0
    while True:
        code = int.from_bytes(rng.bytes(n_bytes), "little") >> (8 * n_bytes - n_bits)
        if code < n:
            return code
