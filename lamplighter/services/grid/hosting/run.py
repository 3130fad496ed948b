# SPDX-License-Identifier: Apache-2.0
"""Run a night step by step and find the most cars that it hosts."""

from collections.abc import Callable

import numpy as np

from lamplighter.services.grid.envelopes.radial import flat, loadings, sweep
from lamplighter.services.grid.hosting.cars import STEP_H, STEPS, Cars, by_row
from lamplighter.services.grid.hosting.night import Night
from lamplighter.services.grid.hosting.result import Result, summed_up
from lamplighter.services.grid.hosting.ways import Now, Way
from lamplighter.terms.columns import AnyArray

AHEAD_CARS = 8  # one more car may help by where it stands: so many are tried beyond the first that fails


def run(night: Night, cars: Cars, way: Way) -> tuple[Result, AnyArray]:
    """Return what the night came to and what was drawn by cars at each row (t, n), in kVA."""
    left = cars.energy_kwh.copy()
    rows = len(night.tree.parent)
    drawn = np.zeros((STEPS, rows), np.complex128)
    loading, lowest, over = np.zeros(STEPS), np.ones(STEPS), 0.0
    start = flat(night.tree)
    for step in range(STEPS):
        here = (cars.first <= step) & (step < cars.last) & (left > 1e-9)
        power = way(Now(step, here, left, night.base_kva[step]))
        left = np.maximum(left - np.real(power) * STEP_H, 0.0)
        drawn[step] = by_row(cars.row, power, rows)
        u, i, settled = sweep(night.tree, night.base_kva[step] + drawn[step], start)
        found = loadings(night.tree, u, i) if settled else np.full(rows, 9.0)
        loading[step], lowest[step] = found.max(), np.abs(u).min() if settled else 0.0
        over += float((found > 1.0).sum()) * STEP_H
    return summed_up(cars.energy_kwh, cars.energy_kwh - left, loading, lowest, over), drawn


def most(good: Callable[[int], bool], guess: int, highest: int, far: bool = False) -> int:
    """Return the most cars that are good: doubling and halving from a guess, then on while any of the next few is good.

    far: look up to half as far again, for ways in which one car that stands ill fails a night that more cars pass.
    """
    low = _edge(good, guess, highest)
    while low < highest:
        near = range(min(low + AHEAD_CARS, highest), low + 1, -1)
        wide = [low + max(low // 16, 1) * k for k in range(AHEAD_CARS, 0, -1)] if far else []
        better = next((n for n in (*(n for n in wide if low + AHEAD_CARS < n <= highest), *near) if good(n)), low)
        if better == low:
            return low
        low = better
        while low < highest and good(low + 1):
            low += 1
    return low


def _edge(good: Callable[[int], bool], guess: int, highest: int) -> int:
    """Return a number of cars that is good while the next is not, 0 where not even one is."""
    low, high = 0, highest + 1
    step = max(guess // 16, 4)
    at = min(max(guess, 1), highest)
    while high - low > 1:
        if good(at):
            low = at
        else:
            high = at
        if high == highest + 1:
            at = min(low + step, highest)
        elif low == 0:
            at = max(high - step, 1)
        else:
            at = (low + high) // 2
        step *= 2
        if not low < at < high:
            at = (low + high) // 2
    return low
