# SPDX-License-Identifier: Apache-2.0
"""What a night came to: the worst loading and voltage, what was served, and whether that counts as hosted."""

from dataclasses import dataclass

import numpy as np

from lamplighter.terms.columns import FloatArray

LOADING_MAX = 1.005
U_MIN_PU = 0.95
UNSERVED_MAX = 0.01
WORST_SERVED_MIN = 0.95


@dataclass(frozen=True)
class Result:
    """One night: cars, highest loading of any branch, lowest voltage, unserved share of the energy, worst car's served share,
    Jain's index of the served shares, energy charged, hours above 100 % summed over branches."""

    cars: int
    loading_max_ratio: float
    voltage_lowest_pu: float
    unserved_share: float
    worst_served_share: float
    jain_ratio: float
    charged_kwh: float
    overload_h: float

    @property
    def hosted(self) -> bool:
        """Return whether the night keeps all bounds."""
        return self.safe and self.served

    @property
    def safe(self) -> bool:
        """Return whether grid bounds were kept."""
        return self.loading_max_ratio <= LOADING_MAX and self.voltage_lowest_pu >= U_MIN_PU

    @property
    def served(self) -> bool:
        """Return whether the cars got what counts as served."""
        return self.unserved_share <= UNSERVED_MAX and self.worst_served_share >= WORST_SERVED_MIN


def summed_up(
    energy_kwh: FloatArray, served_kwh: FloatArray, loading: FloatArray, lowest_pu: FloatArray, overload_h: float
) -> Result:
    """Return the result of energies per car (m,), highest loadings (t,) and lowest voltages (t,) per step."""
    share = np.minimum(served_kwh / np.maximum(energy_kwh, 1e-9), 1.0) if len(energy_kwh) else np.ones(1)
    wanted = float(energy_kwh.sum())
    return Result(
        len(energy_kwh),
        float(loading.max()),
        float(lowest_pu.min()),
        1.0 - float(served_kwh.sum()) / wanted if wanted else 0.0,
        float(share.min()),
        float(share.sum() ** 2 / max(len(share) * float((share**2).sum()), 1e-12)),
        float(served_kwh.sum()),
        overload_h,
    )
