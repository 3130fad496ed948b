# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from astral import Observer
from astral.sun import elevation
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.lighting import sun
from lamplighter.services.lighting.layout import local_hour
from lamplighter.services.lighting.prepared import local_time


@given(st.integers(1_420_070_400, 2_300_000_000), st.floats(-65, 65), st.floats(-180, 180))
def test_the_sun_stands_where_astral_says(at_s: int, lat_deg: float, lon_deg: float) -> None:
    theirs = elevation(Observer(lat_deg, lon_deg), datetime.fromtimestamp(at_s, UTC), with_refraction=False)
    ours = float(sun.elevation_deg(np.array(float(at_s)), lon_deg, lat_deg))
    assert ours == pytest.approx(theirs, abs=0.05)


@pytest.mark.parametrize(("elevation_deg", "hours"), [(-0.833, 4281.7), (-3.0, 4092.1), (-6.0, 3825.8)])
def test_hours_of_darkness_in_cologne(elevation_deg: float, hours: float) -> None:
    year = np.arange(datetime(2025, 1, 1, tzinfo=UTC).timestamp(), datetime(2026, 1, 1, tzinfo=UTC).timestamp(), 300.0)
    dark = float((sun.elevation_deg(year, 6.96, 50.94) < elevation_deg).sum()) / 12.0
    assert dark == pytest.approx(hours, rel=0.002)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
@given(st.integers(1_430_000_000, 2_300_000_000))
def test_local_time_is_that_of_the_zone(zone: str, at_s: int) -> None:
    there = datetime.fromtimestamp(at_s, ZoneInfo(zone))
    if not hasattr(test_local_time_is_that_of_the_zone, zone):
        setattr(test_local_time_is_that_of_the_zone, zone, local_time(zone))
    table = getattr(test_local_time_is_that_of_the_zone, zone)
    assert local_hour(float(at_s), table) == pytest.approx(there.hour + there.minute / 60 + there.second / 3600, abs=1e-6)
