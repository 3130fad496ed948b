# SPDX-License-Identifier: Apache-2.0
"""A tiny SUMO scenario made on the spot: two junctions with signals, crossings and people on foot."""

import os
import subprocess
from pathlib import Path

import sumo

HOME = Path(str(sumo.__file__)).parent


def small_scenario(folder: Path, end_s: int = 240) -> Path:
    """Make the scenario in a folder; return its configuration."""
    env = {**os.environ, "SUMO_HOME": str(HOME)}
    net = folder / "small.net.xml"
    made = ["--grid", "--grid.x-number", "2", "--grid.y-number", "1", "--grid.length", "150", "--grid.attach-length", "150",
            "--default-junction-type", "traffic_light", "--default.lanenumber", "2", "--default.sidewalk-width", "2",
            "--sidewalks.guess", "true", "--crossings.guess", "true", "-o", str(net), "--seed", "1"]  # fmt: skip
    subprocess.run([HOME / "bin" / "netgenerate", *made], check=True, env=env, capture_output=True, cwd=folder)
    flows = "".join(
        f'<flow id="{name}" begin="0" end="200" period="{period}" from="{start}" to="{end}" departLane="free"/>\n'
        for name, period, start, end in (
            ("we", 4, "left0A0", "B0right0"), ("ew", 5, "right0B0", "A0left0"), ("ns", 9, "top0A0", "A0bottom0"),
            ("sn", 9, "bottom1B0", "B0top1"), ("turn", 15, "bottom0A0", "B0right0"),
        )
    )  # fmt: skip
    walks = '<personFlow id="foot" begin="0" end="200" period="20"><walk from="left0A0" to="A0top0"/></personFlow>'
    (folder / "small.rou.xml").write_text(f"<routes>\n{flows}{walks}\n</routes>\n")
    loops = '<additional><inductionLoop id="theirs" lane="left0A0_1" pos="10" period="60" file="theirs.xml"/></additional>'
    (folder / "small.add.xml").write_text(loops)
    config = folder / "small.sumocfg"
    config.write_text(
        '<configuration><input><net-file value="small.net.xml"/><route-files value="small.rou.xml"/>'
        f'<additional-files value="small.add.xml"/></input><time><begin value="0"/><end value="{end_s}"/></time>'
        '<output><summary-output value="summary.xml"/></output></configuration>'
    )
    return config
