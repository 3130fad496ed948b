# SPDX-License-Identifier: Apache-2.0
"""A city of one intersection, made by hand: two one-way streets of one lane and a crossing over the second of them."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from lamplighter.services.traffic.terms import QUANTITIES
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import CityData, Place, Streets

BEGIN_S = datetime(2026, 1, 13, 16, 0, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
MIDNIGHT_OFFSET_S = 16 * 3600
ARM_M = 400.0

NODES = f"""<nodes>
<node id="C" x="0" y="0" type="traffic_light"/>
<node id="W" x="-{ARM_M}" y="0"/><node id="E" x="{ARM_M}" y="0"/>
<node id="S" x="0" y="-{ARM_M}"/><node id="N" x="0" y="{ARM_M}"/>
</nodes>"""
EDGES = """<edges>
<edge id="we1" from="W" to="C" numLanes="1" speed="13.89" sidewalkWidth="2"/>
<edge id="we2" from="C" to="E" numLanes="1" speed="13.89" sidewalkWidth="2"/>
<edge id="sn1" from="S" to="C" numLanes="1" speed="13.89" sidewalkWidth="2"/>
<edge id="sn2" from="C" to="N" numLanes="1" speed="13.89" sidewalkWidth="2"/>
</edges>"""
CONNECTIONS = """<connections>
<connection from="we1" to="we2"/><connection from="sn1" to="sn2"/>
<crossing node="C" edges="sn1" priority="true" width="4"/>
</connections>"""


def netconvert(folder: Path) -> Path:
    """Write net.xml with SUMO's own netconvert."""
    sumo: Any = import_module("sumo")
    source = folder / "plain"
    source.mkdir(parents=True, exist_ok=True)
    for name, text in (("nod", NODES), ("edg", EDGES), ("con", CONNECTIONS)):
        (source / f"x.{name}.xml").write_text(text)
    net = folder / "net.xml"
    subprocess.run(
        [f"{sumo.SUMO_HOME}/bin/netconvert", "-n", source / "x.nod.xml", "-e", source / "x.edg.xml", "-x", source / "x.con.xml",
         "-o", net, "--no-turnarounds", "true", "--xml-validation", "never", "--no-warnings", "true", "--walkingareas", "true"],
        check=True, capture_output=True,
    )  # fmt: skip
    return net


def table(names: str, rows: Sequence[Sequence[Any]]) -> Mapping[str, Any]:
    """Return a table of columns from rows."""
    columns = list(zip(*rows, strict=True))
    return {name: np.array(column) for name, column in zip(names.split(), columns, strict=True)}


def links_of(net: Path) -> dict[str, int]:
    """Return the link number of each way through the intersection: we1, sn1 and the crossing."""
    text = net.read_text()
    found: dict[str, int] = {}
    for match in re.finditer(r"<connection ([^>]*tl=\"C\"[^>]*)/>", text):
        fields = dict(re.findall(r"(\w+)=\"([^\"]*)\"", match.group(1)))
        key = fields["to"] if "_c" in fields["to"] else fields["from"]
        found[key] = int(fields["linkIndex"])
    return found


def routes(rate_veh_h: Mapping[str, float], walks_h: float, until_s: int) -> str:
    """Return demand with exponential gaps from midnight + 15 h 40 min on."""
    begin = MIDNIGHT_OFFSET_S - 1200
    flows = [
        f'<flow id="{street}" type="car" route="{street}" begin="{begin}" end="{until_s}" period="exp({rate / 3600:.6f})"/>'
        for street, rate in rate_veh_h.items()
        if rate > 0
    ]
    walk = (
        f'<personFlow id="p" begin="{begin + 600}" end="{until_s}" period="exp({walks_h / 3600:.6f})">'
        '<walk from="we1" to="we2"/></personFlow>'
        if walks_h > 0
        else ""
    )
    return (
        '<routes><vType id="car" sigma="0.5" departSpeed="max"/><route id="we" edges="we1 we2"/><route id="sn" edges="sn1 sn2"/>'
        + "".join(flows) + walk + "</routes>"
    )  # fmt: skip


def make_city(folder: Path, split_s: tuple[float, float] = (30.0, 30.0), demand: str = "<routes/>") -> CityData:
    """Return the city, its folder written. Groups: 0 west-east, 1 south-north, 2 the crossing (green with 0)."""
    sumo = folder / "sumo"
    sumo.mkdir(parents=True)
    net = netconvert(sumo)
    (sumo / "demand.rou.xml").write_text(demand)
    link = links_of(net)
    crossing = next(name for name in link if "_c" in name)
    beside = " ".join(re.findall(r'<edge id="(:C_w\d+)"', net.read_text()))
    ids = ["J", "J.g0", "J.g1", "J.g2", "d0", "d1", "d2", "d3", "d4", "d5", "d6", "k0"]
    kinds = ["intersection", *["signal_group"] * 3, "loop", "loop", *["lane_area"] * 4, "call_button", "counter"]
    n = len(ids)
    assets = Assets(
        np.array(ids), np.array(kinds), np.full(n, "traffic"), np.full(n, "middle"), np.full(n, ""), np.full(n, 13.5),
        np.full(n, 52.4), np.full(n, ""),
    )  # fmt: skip
    cycle_s = sum(split_s)
    stop = ARM_M - 30.0
    tables = {
        "intersections": table(
            "id tls_id name cycle_s offset_s lone_crossing links power_kw",
            [("J", "C", "West Street / South Street", cycle_s, 0.0, False, 3, 0.4)],
        ),
        "signal_groups": table(
            "id intersection group kind links green_min_s red_max_s yellow_s red_amber_s clearance_s crossing_m",
            [
                ("J.g0", "J", 0, "motor", str(link["we1"]), 5.0, 100.0, 3.0, 1.0, 2.0, 0.0),
                ("J.g1", "J", 1, "motor", str(link["sn1"]), 5.0, 100.0, 3.0, 1.0, 2.0, 0.0),
                ("J.g2", "J", 2, "foot", str(link[crossing]), 5.0, 90.0, 0.0, 0.0, 6.0, 7.2),
            ],
        ),
        "intergreens": table(
            "intersection from_group to_group intergreen_s permissive",
            [("J", 0, 1, 5.0, False), ("J", 1, 0, 5.0, False), ("J", 1, 2, 4.0, False), ("J", 2, 1, 7.0, False)],
        ),
        "stages": table("intersection stage groups permissive", [("J", 0, "0;2", ""), ("J", 1, "1", "")]),
        "programmes": table("intersection position stage split_s", [("J", 0, 0, split_s[0]), ("J", 1, 1, split_s[1])]),
        "movements": table(
            "intersection link group kind from_edge from_lane to_edge to_lane turn saturation_flow_pcu_h permissive",
            [
                ("J", link["we1"], 0, "motor", "we1", 1, "we2", 1, "straight", 1800.0, False),
                ("J", link["sn1"], 1, "motor", "sn1", 1, "sn2", 1, "straight", 1800.0, False),
                ("J", link[crossing], 2, "foot", crossing, 0, crossing, 0, "cross", 0.0, False),
            ],
        ),
        "detectors": table(
            "id kind role intersection groups street lane position_m length_m beside",
            [
                ("d0", "loop", "stop_line", "J", "0", "we1", 1, stop + 20, 2.0, ""),
                ("d1", "loop", "stop_line", "J", "1", "sn1", 1, stop + 20, 2.0, ""),
                ("d2", "lane_area", "near", "J", "0", "we1", 1, stop - 40, 60.0, ""),
                ("d3", "lane_area", "near", "J", "1", "sn1", 1, stop - 40, 60.0, ""),
                ("d4", "lane_area", "far", "J", "0", "we1", 1, stop - 160, 120.0, ""),
                ("d5", "lane_area", "exit", "J", "0", "we2", 1, 10.0, 60.0, ""),
                ("d6", "call_button", "call", "J", "2", crossing, 0, 0.0, 0.0, beside),
                ("k0", "counter", "count", "", "", "we1", 0, 100.0, 0.0, ""),
            ],
        ),
    }
    streets = Streets(
        np.array(["we1", "we2", "sn1", "sn2"]), np.array(["West Street", "East Street", "South Street", "North Street"]),
        np.full(4, "motor"), np.full(4, ""), np.array(["W", "C", "S", "C"]), np.array(["C", "E", "C", "N"]), np.full(4, ARM_M),
        np.full(4, 3.2), np.full(4, 1), np.full(4, 13.89), np.full(4, True), np.full(4, "middle"), np.zeros(5, np.int64),
        np.zeros(0), np.zeros(0),
    )  # fmt: skip
    return CityData(
        "one", "One", True, Place(13.5, 52.4, "Europe/Berlin"), streets, assets, slice(0, n), tables, None,
        tuple(q.name for q in QUANTITIES), ("middle",), folder,
    )  # fmt: skip
