# SPDX-License-Identifier: Apache-2.0
"""SUMO as a child process of the run: its version, its command line, and what it writes, in a private folder."""

import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lamplighter.services.traffic.trials import talk
from lamplighter.services.traffic.trials.configuration import silent_additional, write_configuration
from lamplighter.services.traffic.trials.scenario import Scenario

ALWAYS = ("--no-step-log", "true", "--no-warnings", "true", "--duration-log.disable", "true", "--xml-validation", "never",
          "--xml-validation.net", "never", "--xml-validation.routes", "never", "--step-length", "1",
          "--time-to-teleport", "-1", "--tls.all-off", "false")  # fmt: skip
ENDS_S = 30.0
SAID_LINES = 4


@dataclass(frozen=True)
class Installed:
    """One installed SUMO: version and the folder that holds bin/."""

    version: str
    home: Path

    def has_undeparted(self) -> bool:
        """Say whether it writes what was never inserted."""
        return self.version != "1.9.0"


class Sumo:
    """One run. Leaving the `with` block ends SUMO and removes everything that it wrote."""

    def __init__(self, installed: Installed, scenario: Scenario, seed: int) -> None:
        self.private = Path(tempfile.mkdtemp(prefix="lamplighter-trial-"))
        self.trips = self.private / "trips.xml"
        self.waits = self.private / "waits.xml"
        self.added = self.private / "added.add.xml"
        self._installed, self._scenario, self._seed = installed, scenario, seed
        self.talk: talk.Talk

    def start(self, added: str = "") -> None:
        """Start SUMO with the lines of an additional file of our own, and connect."""
        self.added.write_text(f"<additional>\n{added}\n</additional>\n")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        config = write_configuration(self._scenario, self.private)
        silent = [silent_additional(file, self.private) for file in self._scenario.additional]
        command = [str(self._installed.home / "bin" / "sumo"), "-c", str(config),
                   "--additional-files", ",".join(str(file) for file in (*silent, self.added)), "--seed", str(self._seed),
                   "--tripinfo-output", str(self.trips), "--tripinfo-output.write-unfinished",
                   "--remote-port", str(port), *ALWAYS]  # fmt: skip
        if self._installed.has_undeparted():
            command.append("--tripinfo-output.write-undeparted")
        with (self.private / "said.txt").open("wb") as said:
            self._child = subprocess.Popen(
                command, cwd=self.private, env={**os.environ, "SUMO_HOME": str(self._installed.home)},
                stdout=said, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self.talk = talk.Talk(port, self._alive)

    def _alive(self) -> None:
        if self._child.poll() is not None:
            lines = (self.private / "said.txt").read_text(errors="replace").strip().splitlines()
            said = " | ".join(line for line in lines if "proj.db" not in line) or "nothing"
            raise talk.TalkError(f"SUMO {self._installed.version} ended on {self._scenario.config}; it said: {said[-600:]}")

    def finish(self) -> None:
        """Let SUMO write its outputs and end."""
        self.talk.close()
        self._child.wait(ENDS_S)

    def __enter__(self) -> "Sumo":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the child, whatever happened, and remove its files."""
        open_talk: talk.Talk | None = getattr(self, "talk", None)
        if open_talk is not None:
            open_talk.cut()
        child: subprocess.Popen[bytes] | None = getattr(self, "_child", None)
        if child is not None and child.poll() is None:
            child.kill()
            child.wait()
        shutil.rmtree(self.private, ignore_errors=True)
