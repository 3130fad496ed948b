# SPDX-License-Identifier: Apache-2.0
"""Plan periods: where to cut a day of counts so that the flows within each period differ least from their mean.

Optimal cuts by dynamic programming over the sums of squares (W. D. Fisher, On grouping for maximum homogeneity, Journal of
the American Statistical Association 53, 1958), every period at least so long.
"""

import numpy as np

from lamplighter.terms.columns import FloatArray


def spreads(flow: FloatArray) -> FloatArray:
    """Return the sum of squares (t, t+1) of rows i to j (j not included) of flow (t, l) about their mean."""
    size = len(flow)
    total = np.concatenate([np.zeros((1, flow.shape[1])), np.cumsum(flow, axis=0)])
    square = np.concatenate([[0.0], np.cumsum((flow**2).sum(axis=1))])
    found = np.full((size, size + 1), np.inf)
    for i in range(size):
        j = np.arange(i + 1, size + 1)
        found[i, j] = square[j] - square[i] - ((total[j] - total[i]) ** 2).sum(axis=1) / (j - i)
    return np.maximum(found, 0.0)


def cuts(flow: FloatArray, count: int, least: int) -> tuple[int, ...]:
    """Return the starts of the best `count` periods of at least `least` intervals each; flow (t, l).

    Raises ValueError where they do not fit.
    """
    size = len(flow)
    if count < 1 or count * least > size:
        raise ValueError(f"{count} periods of at least {least} intervals do not fit into {size} intervals")
    spread = spreads(flow)
    cost = np.full((count + 1, size + 1), np.inf)
    before = np.zeros((count + 1, size + 1), np.int64)
    cost[0, 0] = 0.0
    for k in range(1, count + 1):
        for end in range(k * least, size + 1):
            begin = np.arange((k - 1) * least, end - least + 1)
            tried = cost[k - 1, begin] + spread[begin, end]
            best = int(np.argmin(tried))
            cost[k, end], before[k, end] = tried[best], begin[best]
    starts: list[int] = []
    end = size
    for k in range(count, 0, -1):
        end = int(before[k, end])
        starts.append(end)
    return tuple(reversed(starts))


def choose(flow: FloatArray, most: int, least: int, worth_share: float = 0.1) -> tuple[int, ...]:
    """Return the starts of as many periods, up to `most`, as each still take `worth_share` off the spread of the whole."""
    whole = float(spreads(flow)[0, len(flow)])
    chosen, left = (0,), whole
    for count in range(2, max(1, min(most, len(flow) // max(1, least))) + 1):
        tried = cuts(flow, count, least)
        ends = (*tried[1:], len(flow))
        spread = spreads(flow)
        cost = float(sum(spread[a, b] for a, b in zip(tried, ends, strict=True)))
        if whole <= 0 or (left - cost) / whole < worth_share:
            break
        chosen, left = tried, cost
    return chosen
