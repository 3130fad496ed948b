# SPDX-License-Identifier: Apache-2.0
"""From names that end in their unit to words for people: `p_max_kw` is "p max" in kW."""

# How the ending of a name reads; "" for pure ratios that carry no unit.
UNIT_WORDS = {
    "a": "A",
    "cd": "cd",
    "count": "",
    "deg": "°",
    "h": "h",
    "km": "km",
    "kva": "kVA",
    "kvar": "kvar",
    "kvah": "kVAh",
    "kw": "kW",
    "kwh": "kWh",
    "lm": "lm",
    "lx": "lx",
    "m": "m",
    "m2": "m²",
    "min": "min",
    "mwh": "MWh",
    "pct": "%",
    "percent": "%",
    "per": "per",
    "ped": "people",
    "pu": "p.u.",
    "ratio": "ratio",
    "s": "s",
    "share": "share",
    "stops": "stops",
    "trip": "trip",
    "trips": "trips",
    "v": "V",
    "veh": "veh",
    "w": "W",
}

# Physics' own letters, for people who do not speak them.
SYMBOL_WORDS = {"p": "power", "q": "reactive power", "u": "voltage", "i": "amperage"}


def words_and_unit(name: str) -> tuple[str, str]:
    """Return what a name says and its unit: ("vehicle delay", "s per trip") of "vehicle_delay_s_per_trip"."""
    parts = name.split("_")
    first = len(parts)
    while first > 1 and parts[first - 1] in UNIT_WORDS:
        first -= 1
    ends = [UNIT_WORDS[part] for part in parts[first:]]
    unit = " ".join(end for end in ends if end)
    if len(ends) == 2 and "per" not in unit and all(ends):  # `veh_h` is vehicles per hour, `s_trip` seconds per trip
        unit = f"{ends[0]} per {ends[1]}" if ends[1] in ("trip", "veh") else f"{ends[0]}/{ends[1]}"
    words = " ".join(SYMBOL_WORDS.get(part, part) for part in parts[:first])
    return (words, unit)
