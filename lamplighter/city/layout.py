# SPDX-License-Identifier: Apache-2.0
"""The shared tables of a city folder, described like a service describes its own."""

from lamplighter.terms.table import ColumnSpec, TableSpec

STREET_KINDS = ("motor", "cycle", "foot", "crossing")

STREETS = TableSpec(
    "streets",
    "streets and paths, one row per direction of travel",
    (
        ColumnSpec("id", "text", "edge id of the road network"),
        ColumnSpec("name", "text", "name on the street sign; may be empty"),
        ColumnSpec("kind", "text", "who may use it", one_of=STREET_KINDS),
        ColumnSpec("highway", "text", "road class of the source, such as highway.residential; may be empty"),
        ColumnSpec("from_node", "text", "id of the intersection where it starts"),
        ColumnSpec("to_node", "text", "id of the intersection where it ends"),
        ColumnSpec("length_m", "float", "length in metres between the stop lines", low=0.0, high=100_000.0),
        ColumnSpec("width_m", "float", "width of carriageway or path in metres", low=0.0, high=200.0),
        ColumnSpec("lanes", "int", "motor lanes", low=0, high=30),
        ColumnSpec("speed_m_s", "float", "permitted speed in metres per second", low=0.0, high=100.0),
        ColumnSpec("lit", "bool", "has street lighting"),
        ColumnSpec("area", "text", "name of its area", refers_to="areas.name"),
        ColumnSpec("wkt", "text", "shape as a WKT LINESTRING of longitude and latitude, WGS84"),
    ),
    ("id",),
)

AREAS = TableSpec(
    "areas",
    "areas in which evidence is compared",
    (
        ColumnSpec("name", "text", "name of the area"),
        ColumnSpec("wkt", "text", "outline as a WKT POLYGON of longitude and latitude, WGS84"),
    ),
    ("name",),
)

ASSETS = TableSpec(
    "assets",
    "what stands in the city, all services in one table, each service one unbroken run",
    (
        ColumnSpec("id", "text", "unique id"),
        ColumnSpec("kind", "text", "kind of asset, as its service declares it"),
        ColumnSpec("service", "text", "service that runs it"),
        ColumnSpec("area", "text", "name of its area", refers_to="areas.name"),
        ColumnSpec("street", "text", "street name or id; may be empty"),
        ColumnSpec("lon_deg", "float", "longitude in degrees, WGS84", low=-180.0, high=180.0),
        ColumnSpec("lat_deg", "float", "latitude in degrees, WGS84", low=-90.0, high=90.0),
        ColumnSpec("fed_by", "text", "id of the asset that feeds it; empty where it needs no power"),
    ),
    ("id",),
)
