# SPDX-License-Identifier: Apache-2.0
"""Everything that does not change while the city runs, computed once: one part for each side, none shared but data."""

from collections.abc import Mapping
from dataclasses import dataclass

from lamplighter.services.traffic import adaptive as deciding
from lamplighter.services.traffic import interlock
from lamplighter.services.traffic.account import Counting, counting
from lamplighter.services.traffic.layout import Layout, read_layout
from lamplighter.services.traffic.outcomes import Reach, reach, settings_of
from lamplighter.services.traffic.wire import Codec, make_codec
from lamplighter.terms.city import CityData


@dataclass(frozen=True)
class Prepared:
    """The installed tables as data; as the decider, the checks and the outcomes see them; and the telegrams' meaning."""

    layout: Layout
    plan: deciding.Plan
    installed: interlock.Installed
    reach: Reach
    counting: Counting
    codec: Codec
    street_names: Mapping[str, str]  # by street id, for sentences


def prepare(city: CityData) -> Prepared:
    """Return what every later call is handed. ValueError names the table that does not fit."""
    layout = read_layout(city)
    return Prepared(
        layout=layout,
        plan=deciding.plan(layout, city.streets, settings_of(city)),
        installed=interlock.install(layout, city.span.stop - city.span.start),
        reach=reach(layout, city),
        counting=counting(layout, city),
        codec=make_codec(layout, city.assets),
        street_names={str(street): str(name) for street, name in zip(city.streets.id, city.streets.name, strict=True)},
    )
