# SPDX-License-Identifier: Apache-2.0
"""Limits of obtrusive light by environmental zone, and classes of intensity and glare index, as data.

Before curfew: EN 12193 and CIE 150, the same figures. After curfew: E2 to E4 stand alike in CIE 150 and in guidance note GN01 of
the Institution of Lighting Professionals, which follows it (edition of 2011, read in a course for building services that reprints
its table). E1 does not: GN01 has 0 lx and lets public road lighting alone give more; 1 lx is what CIE 150:2017 is known to allow
it, and was seen in no second source (`Zone.unsure`). Upward share: CIE 150; GN01 asks less (2.5, 5 and 15 % in E2 to E4).
Intensities: CIE 150:2003; the edition of 2017 makes them depend on the luminous area of the luminaire, which photometry files of
road luminaires hold only roughly. G* and D: EN 13201-2:2015, annex A. Check them against a bought copy before a contract rests on
them; nations may set others.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Zone:
    """Most vertical illuminance on a facade and intensity towards it, before and after curfew; most upward light ratio. unsure:
    what of it no second source confirms, for whoever reads the answer."""

    name: str
    doc: str
    early_lx: float
    late_lx: float
    early_cd: float
    late_cd: float
    upward_share: float
    unsure: str = ""


ZONES = {
    zone.name: zone
    for zone in (
        Zone("E0", "parks under protected dark skies", 0.0, 0.0, 0.0, 0.0, 0.0),
        Zone(
            "E1",
            "dark: country without roads of note",
            2.0,
            1.0,
            2_500.0,
            500.0,
            0.0,
            "1 lx after curfew, for public road lighting alone",
        ),
        Zone("E2", "low brightness: villages, quiet residential streets", 5.0, 1.0, 7_500.0, 500.0, 0.05),
        Zone("E3", "medium brightness: residential districts of towns", 10.0, 2.0, 10_000.0, 1_000.0, 0.15),
        Zone("E4", "high brightness: town centres", 25.0, 5.0, 25_000.0, 2_500.0, 0.25),
    )
}


@dataclass(frozen=True)
class IntensityClass:
    """Most cd per klm at 70, 80 and 90 degrees and above from straight down, in any direction; dark_from_deg: none from there on.

    at_70_cd_klm: None where the class does not ask.
    """

    name: str
    at_70_cd_klm: float | None
    at_80_cd_klm: float
    at_90_cd_klm: float
    dark_from_deg: float | None


# From the most lenient to the strictest.
INTENSITY_CLASSES = (
    IntensityClass("G*1", None, 200.0, 50.0, None),
    IntensityClass("G*2", None, 150.0, 30.0, None),
    IntensityClass("G*3", None, 100.0, 20.0, None),
    IntensityClass("G*4", 500.0, 100.0, 10.0, 95.0),
    IntensityClass("G*5", 350.0, 100.0, 10.0, 95.0),
    IntensityClass("G*6", 350.0, 100.0, 0.0, 90.0),
)

# Class and most glare index, intensity at 85 degrees over the root of the luminous area seen from there (cd/m); D0 asks nothing.
GLARE_INDEX = (("D1", 7000.0), ("D2", 5500.0), ("D3", 4000.0), ("D4", 2000.0), ("D5", 1000.0), ("D6", 500.0))
