# SPDX-License-Identifier: Apache-2.0
"""A snapshot of pumps for the tests of the gates and the loop."""

from collections.abc import Mapping

import numpy as np

from lamplighter import twin
from lamplighter.terms.decision import Cites, InForce, Proposals
from lamplighter.terms.snapshot import Column, Snapshot
from tests.water import SERVICE, prepare
from tests.water.build import made_up_city

NOW_S = 1_768_316_400.0
PUMPS = 8
CITY = made_up_city(PUMPS)
PREPARED = prepare(CITY)
NO_HOLDS = np.zeros(PUMPS, np.bool_)
PRESSURE = CITY.vocabulary.index("pressure_bar")


def snapshot(age_s: float = 60.0, known: int = PUMPS, in_force: Mapping[str, InForce] | None = None) -> Snapshot:
    """Return pumps of which the first `known` reported 3 bar `age_s` seconds ago."""
    present = np.arange(PUMPS) < known
    column = Column(np.full(PUMPS, 3.0), np.full(PUMPS, NOW_S - age_s), present)
    return Snapshot(
        now_s=NOW_S,
        assets=CITY.assets,
        span=CITY.span,
        latest={"pressure_bar": column},
        shared={},
        in_force=in_force or {a.name: twin.idle(a, PUMPS) for a in SERVICE.actions},
        adaptive=np.ones(PUMPS, np.bool_),
        vocabulary=CITY.vocabulary,
        shared_fresh_s={},
    )


def proposals(assets: list[int], speeds: list[float], lease_s: float = 300.0, action: str = "run_pump") -> Proposals:
    """Return wishes for pumps, each citing its own pressure."""
    rows = len(assets)
    asset = np.array(assets, np.int64)
    cites = Cites(np.arange(rows + 1), asset, np.full(rows, PRESSURE))
    return Proposals(
        action, asset, {"speed_share": np.array(speeds)}, np.zeros(rows, np.int64), cites, "adaptive", NOW_S, lease_s
    )
