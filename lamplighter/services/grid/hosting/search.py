# SPDX-License-Identifier: Apache-2.0
"""How many cars a night hosts by each way of steering, and the proven most by any."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from lamplighter.services.grid.hosting import steered, ways
from lamplighter.services.grid.hosting.bound import Relaxed, curves_of, relaxed
from lamplighter.services.grid.hosting.cars import STEP_H, STEPS, Cars, draw
from lamplighter.services.grid.hosting.field import Field, disordered
from lamplighter.services.grid.hosting.night import Night
from lamplighter.services.grid.hosting.reading import read_case
from lamplighter.services.grid.hosting.result import LOADING_MAX, UNSERVED_MAX, WORST_SERVED_MIN, Result
from lamplighter.services.grid.hosting.run import most, run
from lamplighter.services.grid.hosting.truth import TrueNight, run_true
from lamplighter.services.grid.hosting.ways import Way
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray

CARS_MAX = 4000
MARGIN = 1e-4  # share of energy; the relaxation is solved to half of that or better: less than this is no shortage
WAYS: dict[str, Callable[[Night, Cars], Way]] = {
    "uncontrolled": ways.uncontrolled,
    "timer": ways.timer,
    "cap": ways.cap,
    "droop": ways.droop,
    "transformer": lambda night, cars: ways.equal_share(night, cars, True),
    "share": lambda night, cars: ways.equal_share(night, cars, False),
    "adaptive": steered.adaptive,
}
Trying = Callable[[int], None]  # told each number of cars before its night is computed
FAR = ("uncontrolled", "timer", "cap", "droop", "transformer", "share")  # what bounds them depends on where a few cars stand
PER_CONNECTION = {"uncontrolled": 1.3, "timer": 0.5, "cap": 1.0, "droop": 1.4, "transformer": 1.4, "share": 6.0, "adaptive": 7.0}


@dataclass(frozen=True)
class Hosted:
    """The most cars of one way and seed, what their night came to, and what was drawn (t, n)."""

    cars: int
    result: Result
    drawn_kva: AnyArray


def silent(cars: int) -> None:
    """Tell nobody which number is tried."""


def hosted(night: Night, way: str, seed: int, asked: steered.Asked | None = None, trying: Trying = silent) -> Hosted:
    """Return the most cars that a night hosts by a way of steering. asked: what envelopes (`adaptive`) keep besides."""
    made = WAYS[way] if asked is None else partial(steered.adaptive, asked=asked)
    highest = max(CARS_MAX, 40 * len(night.connection_row))
    everyone = draw(seed, highest, night.connection_row)
    seen: dict[int, tuple[Result, AnyArray]] = {}

    def good(many: int) -> bool:
        if many not in seen:
            trying(many)
            cars = everyone.head(many)
            seen[many] = run(night, cars, made(night, cars))
        return seen[many][0].hosted

    first = max(int(PER_CONNECTION[way] * len(night.connection_row)), 1)
    many = most(good, first, highest, way in FAR) if good(0) else 0
    if many not in seen:
        seen[many] = run(night, everyone.head(many), made(night, everyone.head(many)))
    return Hosted(many, *seen[many])


def hosted_true(asked: str, way: str, seed: int, disorder: int, trying: Trying = silent) -> tuple[TrueNight, int]:
    """Return the night with the most cars that a disordered field hosts, and how many nights tried broke a grid bound."""
    night, network, row_node = read_case(asked)
    field = Field(night, network, row_node, disordered(night, disorder))
    highest = max(CARS_MAX, 40 * len(night.connection_row))
    everyone = draw(seed, highest, night.connection_row)
    seen: dict[int, TrueNight] = {}

    def good(many: int) -> bool:
        if many not in seen:
            trying(many)
            cars = everyone.head(many)
            seen[many] = run_true(night, cars, WAYS[way](night, cars), field, disorder)
        return seen[many].hosted

    many = most(good, max(int(0.6 * PER_CONNECTION[way] * len(night.connection_row)), 1), highest)
    if many not in seen:
        good(many)
    return seen[many], sum(not found.kept for found in seen.values())


@dataclass(frozen=True)
class Bound:
    """No way of steering hosts more cars than `cars`. found: the relaxation's optimum there; proven_to: infeasible for every
    number above `cars` (True), or only for the next one."""

    cars: int
    found: Relaxed
    proven_to_all: bool
    solved: int


def bound(night: Night, seed: int, guess: int | None = None, volt_var: bool = False, trying: Trying = silent) -> Bound:
    """Return the most cars that the relaxation allows. volt_var: with reactive power from the points' inverters."""
    highest = max(CARS_MAX, 40 * len(night.connection_row))
    everyone = draw(seed, highest, night.connection_row)
    seen: dict[int, Relaxed] = {}

    def short(many: int) -> float:
        if many not in seen:
            trying(many)
            seen[many] = relaxed(night, everyone.head(many), volt_var=volt_var)
        return seen[many].short_share

    bare, _ = run(night, everyone.head(0), WAYS["uncontrolled"](night, everyone.head(0)))
    if not bare.hosted:  # the grid breaks its bounds without any car
        return Bound(0, Relaxed(0.0, np.zeros_like(night.before_kw[0]), bare.loading_max_ratio, bare.voltage_lowest_pu), True, 0)
    low, high = 0, highest + 1
    at = guess or max(most_by_branch(night, everyone), 1)
    while high - low > 1:
        value = short(at)
        low, high = (low, at) if value > MARGIN else (at, high)
        if high == highest + 1:
            at = min(int(low * 1.06) + 2, highest)
        elif low == 0:
            at = max(int(high * 0.94) - 2, 1)
        else:
            at = _between(seen, low, high)
    everything = everyone.energy_kwh.cumsum()
    return Bound(
        low,
        seen.get(low) or relaxed(night, everyone.head(low), volt_var=volt_var),
        _proven(everything, seen, short, high),
        len(seen),
    )


def most_by_branch(night: Night, everyone: Cars) -> int:
    """Return about how many cars the bound will be: the most for which every branch by itself, losses and voltage left out, can
    pass what cars below it want in the time that they are there. A guess to begin with; nothing is proved by it."""
    tree = night.tree
    through = np.stack([_below(tree.parent, row) for row in night.base_kva])
    held = np.where(np.isfinite(tree.rating_kva), LOADING_MAX * tree.rating_kva, np.inf)
    free = (np.sqrt(np.maximum(held**2 - np.imag(through) ** 2, 0.0)) - np.real(through)).T

    def fits(many: int) -> bool:
        curves = curves_of(everyone.head(many))

        def summed(values: AnyArray) -> FloatArray:
            own = np.zeros((len(tree.parent), values.shape[1]))
            own[curves.row] = values
            return np.asarray(_below(tree.parent, own), np.float64)

        highest, after, most_kw = (summed(values) for values in (curves.highest_kwh, curves.after_kwh, curves.most_kw))
        wanted = summed(curves.wanted_kwh[:, None])[:, 0]
        drawn = np.zeros(len(wanted))
        reach = after[:, 0].copy()
        for step in range(STEPS):
            room = np.maximum(np.minimum(most_kw[:, step], free[:, step]), 0.0)
            drawn = np.minimum(drawn + room * STEP_H, highest[:, step + 1])
            reach = np.minimum(reach, drawn + after[:, step + 1])
        return bool((wanted - reach <= np.minimum(UNSERVED_MAX * wanted.max(), (1.0 - WORST_SERVED_MIN) * wanted) + 1e-6).all())

    low, high = 0, len(everyone.row)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _below(parent: IntArray, own: AnyArray) -> AnyArray:
    """Return sums towards the source over rows (n, ...); parents stand before children."""
    total = own.copy()
    for row in range(len(parent) - 1, 0, -1):
        if parent[row] >= 0:
            total[parent[row]] += total[row]
    return total


def _between(seen: dict[int, Relaxed], low: int, high: int) -> int:
    """Return where the shortage should pass zero, by the straight line between two numbers of cars."""
    one, other = seen[low].short_share, seen[high].short_share
    if one <= -UNSERVED_MAX + 1e-4:  # room to spare: the line says nothing yet
        return (low + high) // 2
    at = low + (high - low) * -one / max(other - one, 1e-12)
    return min(max(round(at), low + 1), high - 1)


def _proven(everything_kwh: FloatArray, seen: dict[int, Relaxed], short: Callable[[int], float], first: int) -> bool:
    """Return whether infeasibility reaches from `first` cars to any larger number.

    A plan for more cars, less the cars beyond n, is a plan for n that leaves unserved at most what the larger number may,
    and 5 % at most since each car gets 95 %. Allowing d more unserved lowers the shortage by d at most: a shortage s at
    n excludes all numbers up to that whose allowance is less than s above n's, and all where s > 4 %.
    """
    at = first
    for _ in range(6):
        value = short(at) - MARGIN
        if value > (1.0 - WORST_SERVED_MIN) - UNSERVED_MAX:
            return True
        reach = everything_kwh[at - 1] * (1.0 + max(value, 0.0) / UNSERVED_MAX)
        further = int((everything_kwh < reach).sum())
        if further <= at:
            return False
        at = min(further, int(at * 1.08), len(everything_kwh))
    return False
