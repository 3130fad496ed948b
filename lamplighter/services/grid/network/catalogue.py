# SPDX-License-Identifier: Apache-2.0
"""Standard cables and transformers, as figures.

Cables: resistance by IEC 60228 (aluminium, 20 degC), reactance, capacitance and rating in earth (load factor 0.7)
as in the manufacturers' tables for NAYY-J (DIN VDE 0276-603) and NA2XS2Y (DIN VDE 0276-620); the same figures
stand in pandapower's and SimBench's type lists. Transformers: oil, losses as in DIN EN 50464-1 class Bk/C0.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class CableType:
    """One cable: per kilometre and line phase, and what it may carry for ever."""

    name: str
    r_ohm_km: float
    x_ohm_km: float
    c_nf_km: float
    i_n_a: float


@dataclass(frozen=True)
class TransformerType:
    """One transformer to 0.4 kV. tap_step_v is a voltage of the upper side."""

    name: str
    u1_v: float
    sn_kva: float
    uk_pu: float
    pk_kw: float
    i0_pu: float
    p0_kw: float

    @property
    def tap_step_v(self) -> float:
        """Return the voltage of one tap of 2.5 %."""
        return 0.025 * self.u1_v


LOW_VOLTAGE_CABLES = (
    CableType("NAYY 4x150 SE 0.6/1 kV", 0.206, 0.080, 261.0, 270.0),
    CableType("NAYY 4x240 SE 0.6/1 kV", 0.125, 0.080, 280.0, 357.0),
)

MEDIUM_VOLTAGE_CABLES = {
    10.0: (
        CableType("NA2XS2Y 1x150 RM/25 6/10 kV", 0.206, 0.110, 360.0, 315.0),
        CableType("NA2XS2Y 1x240 RM/25 6/10 kV", 0.125, 0.105, 456.0, 416.0),
    ),
    20.0: (
        CableType("NA2XS2Y 1x150 RM/25 12/20 kV", 0.206, 0.116, 250.0, 319.0),
        CableType("NA2XS2Y 1x240 RM/25 12/20 kV", 0.125, 0.112, 304.0, 421.0),
    ),
}

TRANSFORMERS = {
    10.0: (
        TransformerType("400 kVA 10/0.4 kV", 10_000.0, 400.0, 0.04, 5.3, 0.0024, 0.95),
        TransformerType("630 kVA 10/0.4 kV", 10_000.0, 630.0, 0.04, 6.8, 0.0019, 1.18),
    ),
    20.0: (
        TransformerType("400 kVA 20/0.4 kV", 20_000.0, 400.0, 0.06, 5.7, 0.0034, 1.35),
        TransformerType("630 kVA 20/0.4 kV", 20_000.0, 630.0, 0.06, 7.6, 0.0026, 1.65),
    ),
}
