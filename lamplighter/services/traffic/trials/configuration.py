# SPDX-License-Identifier: Apache-2.0
"""A private copy of a scenario's configuration: the same inputs and processing, and none of its outputs.

What a scenario writes by itself (detector files, logs) would land beside its files, or be overwritten by another run.
"""

import xml.etree.ElementTree as ET
from pathlib import Path

from lamplighter.services.traffic.trials.scenario import Scenario
from lamplighter.services.traffic.trials.strands import open_xml

# What a trial sets itself, or what only a window needs.
_OURS = frozenset(
    "seed random step-length time-to-teleport remote-port num-clients log message-log error-log verbose no-step-log no-warnings "
    "duration-log.statistics duration-log.disable gui-settings-file start quit-on-end demo game game.mode additional-files a "
    "additional tls.all-off output-prefix save-state.times save-state.period breakpoints human-readable-time".split()
)
_WRITES = frozenset(
    "inductionLoop e1Detector instantInductionLoop laneAreaDetector e2Detector entryExitDetector e3Detector edgeData laneData "
    "vTypeProbe routeProbe".split()
)
_NOWHERE = "NUL"


def write_configuration(scenario: Scenario, private: Path) -> Path:
    """Write the private copy into a folder; return it."""
    root = ET.parse(scenario.config).getroot()
    for section in [root, *root]:
        for element in list(section):
            value = element.get("value", element.get("v"))
            if value is None:
                continue
            if element.tag in _OURS or element.tag.endswith("-output") or ".output" in element.tag or "-output." in element.tag:
                section.remove(element)
            elif element.tag.endswith(("-file", "-files")) or element.tag in ("n", "r", "net", "route"):
                element.set(
                    "value", ",".join(str((scenario.config.parent / p.strip()).resolve()) for p in value.split(",") if p.strip())
                )
    copy = private / "trial.sumocfg"
    ET.ElementTree(root).write(copy, encoding="unicode")
    return copy


def silent_additional(path: Path, private: Path) -> Path:
    """Return an additional file that writes nothing: itself, or a copy whose detectors write nowhere."""
    root = open_xml(path)
    writing = [e for e in root.iter() if e.tag in _WRITES and e.get("file")]
    saving = [(parent, e) for parent in root.iter() for e in parent if e.tag == "timedEvent"]
    calibrating = [e for e in root.iter("calibrator") if e.get("output")]
    if not writing and not saving and not calibrating:
        return path.resolve()
    for element in writing:
        element.set("file", _NOWHERE)
    for element in calibrating:
        element.set("output", _NOWHERE)
    for parent, element in saving:
        parent.remove(element)
    for element in root.iter("include"):
        element.set("href", str((path.parent / element.get("href", "")).resolve()))
    copy = private / f"silent-{path.name.removesuffix('.gz')}"
    ET.ElementTree(root).write(copy, encoding="unicode")
    return copy
