# SPDX-License-Identifier: Apache-2.0
"""What a service's `build` finds in `context.source`: where this city's inputs came from and where they lie now.

All values are texts. A key that is absent means that the source did not say; then the service makes its own.

| key | value |
|---|---|
| `net` | file name inside `folder/sumo`, always `net.xml` (uncompressed); always present |
| `routes` | `;`-joined names `routes-NNN-*.rou.xml` in `folder/sumo`, in order; absent: traffic makes the demand |
| `additional` | `;`-joined names `additional-NNN-*.add.xml` in `folder/sumo`, in order; absent: none |
| `begin_s`, `end_s` | the configuration's own time window in seconds of its day, as decimal text; absent where it is open |
| `grid` | `simbench:CODE`, or the path of a pandapower JSON file relative to the city folder; absent: grid synthesises |

Compressed inputs are stored uncompressed. Time zero of routes is midnight, local time, of the simulated day.
"""

from collections.abc import Mapping

NET = "net"
ROUTES = "routes"
ADDITIONAL = "additional"
BEGIN_S = "begin_s"
END_S = "end_s"
GRID = "grid"

KEYS = (NET, ROUTES, ADDITIONAL, BEGIN_S, END_S, GRID)


def file_names(source: Mapping[str, str], key: str) -> tuple[str, ...]:
    """Return the file names under `routes` or `additional`, none where the key is absent."""
    return tuple(name for name in source.get(key, "").split(";") if name)
