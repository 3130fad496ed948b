# SPDX-License-Identifier: Apache-2.0
"""How the lamps made up for a city are spread, beside a real inventory (downtown Washington, DC).

    python benchmarks/inventory.py [--city adlershof] [--json benchmarks/results/inventory.json]

Theirs: spacing between neighbours on one side of a block, mounting height, and watts of the LED lamps; sodium lamps beside them
at the power of the LED that would replace them.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from lamplighter.city.directory import find_city
from lamplighter.city.folder import load
from lamplighter.services import discover
from lamplighter.services.lighting.mounting import inventory


def main() -> None:
    """Print ours beside theirs and keep it if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--city", default="adlershof")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    table = load(find_city(asked.city), discover())["lighting"].tables["segments"]
    ours, theirs = asdict(inventory.spread_of(table)), asdict(inventory.WASHINGTON)
    main_roads = {name: column[[kind[0] in "MC" for kind in table["lighting_class"]]] for name, column in table.items()}
    rows = [(name, ours[name], theirs[name]) for name in ours]
    rows.append(("power_w of M and C classes", asdict(inventory.spread_of(main_roads))["power_w"], theirs["power_w"]))
    as_led = tuple(round(w * inventory.LED_FOR_SODIUM, 1) for w in inventory.WASHINGTON_SODIUM_W)
    rows.append(("power_w, their sodium as LED", ours["power_w"], as_led))
    print(f"{'':32}" + "".join(f"{share * 100:>8.0f} %" for share in inventory.SHARES))
    for name, mine, real in rows:
        print(f"{name:<32}" + "".join(f"{value:10.1f}" for value in mine) + f"   {asked.city}")
        print(f"{'':32}" + "".join(f"{value:10.1f}" for value in real) + "   Washington, DC")
    if asked.json is not None:
        found = {name: {"ours": list(mine), "theirs": list(real)} for name, mine, real in rows}
        asked.json.write_text(json.dumps({"city": asked.city, "shares": inventory.SHARES, **found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
