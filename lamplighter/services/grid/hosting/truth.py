# SPDX-License-Identifier: Apache-2.0
"""A night in a field that is not what the model says: late meters, deaf chargers, three line phases."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.hosting.cars import FULL_KW, STEP_H, STEPS, Cars
from lamplighter.services.grid.hosting.doubt import Doubt, Watch
from lamplighter.services.grid.hosting.field import Field
from lamplighter.services.grid.hosting.night import Night
from lamplighter.services.grid.hosting.result import UNSERVED_MAX, WORST_SERVED_MIN, summed_up
from lamplighter.services.grid.hosting.ways import Late, Now, Way
from lamplighter.terms.columns import BoolArray

DEAF_SHARE = 0.10
LOADING_MAX = 1.005
U_LOW_PU, U_HIGH_PU, UNBALANCE_MAX = 0.90, 1.10, 0.02  # EN 50160, 4.2.2 and 4.2.4, of every ten-minute value


@dataclass(frozen=True)
class TrueNight:
    """What a night came to in truth. loading_max_ratio: of a line phase; voltages of a line phase against neutral."""

    cars: int
    loading_max_ratio: float
    voltage_lowest_pu: float
    voltage_highest_pu: float
    unbalance_max_ratio: float
    unserved_share: float
    worst_served_share: float
    jain_ratio: float
    charged_kwh: float
    overload_h: float
    doubts: tuple[Doubt, ...]

    @property
    def kept(self) -> bool:
        """Return whether thermal bounds and EN 50160 were kept."""
        electric = self.loading_max_ratio <= LOADING_MAX and self.voltage_lowest_pu >= U_LOW_PU
        return electric and self.voltage_highest_pu <= U_HIGH_PU and self.unbalance_max_ratio <= UNBALANCE_MAX

    @property
    def hosted(self) -> bool:
        """Return whether grid bounds and service were kept."""
        return self.kept and self.unserved_share <= UNSERVED_MAX and self.worst_served_share >= WORST_SERVED_MIN


def deaf_of(cars: Cars, seed: int) -> BoolArray:
    """Return which cars (m,) charge at a charger that obeys nobody."""
    return np.asarray(np.random.default_rng((seed, 0xDEAF)).random(4000)[: len(cars.row)] < DEAF_SHARE, np.bool_)


def run_true(night: Night, cars: Cars, way: Way, field: Field, seed: int) -> TrueNight:
    """Run a night in the field. Meters show the quarter of an hour before: later than ten minutes late."""
    deaf = deaf_of(cars, seed)
    left = cars.energy_kwh.copy()
    rows = len(night.tree.parent)
    start = field.solve(night.base_kva[0], np.zeros(rows))
    late = Late(start.through_kva.sum(axis=1), start.loading, start.lowest_pu, np.zeros(len(left)))
    watch = Watch(night, cars.row)
    loading, lowest, highest, uneven, over = np.zeros(STEPS), np.ones(STEPS), 1.0, 0.0, 0.0
    for step in range(STEPS):
        here = (cars.first <= step) & (step < cars.last) & (left > 1e-9)
        obeys = np.real(way(Now(step, here & ~deaf, left, night.base_kva[step], late)))
        own = np.where(here & deaf, np.minimum(FULL_KW, left / STEP_H), 0.0)
        power = np.where(deaf, own, obeys)
        left = np.maximum(left - power * STEP_H, 0.0)
        drawn = np.bincount(cars.row, power, rows).astype(np.float64)
        state = field.solve(night.base_kva[step], drawn)
        steered = np.where(deaf, 0.0, power)
        late = Late(state.through_kva.sum(axis=1), state.loading, state.lowest_pu, steered)
        watch.note(step, state, steered)
        loading[step], lowest[step] = state.loading.max(), state.lowest_pu.min()
        highest, uneven = max(highest, float(state.highest_pu.max())), max(uneven, float(state.unbalance_ratio.max()))
        over += float((state.loading > 1.0).sum()) * STEP_H
    result = summed_up(cars.energy_kwh, cars.energy_kwh - left, loading, lowest, over)
    return TrueNight(
        result.cars,
        result.loading_max_ratio,
        result.voltage_lowest_pu,
        highest,
        uneven,
        result.unserved_share,
        result.worst_served_share,
        result.jain_ratio,
        result.charged_kwh,
        over,
        watch.doubts(),
    )
