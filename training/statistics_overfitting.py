"""Probability of backtest overfitting by combinatorially symmetric cross-validation.

Source: Bailey, Borwein, Lopez de Prado, Zhu 2015.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from envs.core.errors import FixInput
from envs.core.types import Float64Array


def splits(blocks: int) -> int:
    """Number of ways to train on half of the blocks."""
    return comb(blocks, blocks // 2)


def overfitting_probability(returns: Float64Array, blocks: int = 8) -> float:
    """Share of splits in which the best strategy in sample is below the median out of sample.

    Args:
        returns: (T, N) returns of N strategies; trailing rows that fill no block are left out.
        blocks: even number of blocks of equal length; half of them train.

    Raises:
        FixInput: An odd number of blocks, fewer than two strategies, or less than two rows a block.
    """
    length = returns.shape[0] // blocks if blocks > 0 else 0
    if blocks < 2 or blocks % 2 or returns.ndim != 2 or returns.shape[1] < 2 or length < 2:
        raise FixInput(
            f"overfitting: {blocks} blocks of returns {returns.shape}: expected an even number of "
            "blocks, at least 2 strategies and 2 rows in each block"
        )
    cut = returns[: length * blocks].reshape(blocks, length, -1)
    sums, squares = cut.sum(axis=1), (cut * cut).sum(axis=1)
    half = length * blocks // 2
    everything = np.arange(blocks)
    below = 0
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.isin(everything, chosen)
        best = int(np.argmax(_sharpe(sums[inside], squares[inside], half)))
        out = _sharpe(sums[~inside], squares[~inside], half)
        rank = (int(np.count_nonzero(out < out[best])) + 1) / (out.size + 1)
        below += 1 if rank <= 0.5 else 0
    return below / splits(blocks)


def _sharpe(sums: Float64Array, squares: Float64Array, n: int) -> Float64Array:
    mean = sums.sum(axis=0) / n
    variance = squares.sum(axis=0) / n - mean * mean
    return np.asarray(mean / np.sqrt(np.maximum(variance, 1e-300)))
