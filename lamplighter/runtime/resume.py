# SPDX-License-Identifier: Apache-2.0
"""Where a demo stopped, so that a second start can go on there. One small file beside the record."""

import json
from pathlib import Path

STEP_S = 60.0


class Resume:
    """Keeps the last moment of a run of one city and seed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._file = folder / f"resume-{seed}.json"

    def begin_s(self, begin_s: float, end_s: float) -> float:
        """Return where to go on, a whole minute within the run; its begin where nothing usable was kept."""
        try:
            kept = float(json.loads(self._file.read_text(encoding="utf-8"))["now_s"])
        except (OSError, ValueError, KeyError, TypeError):
            return begin_s
        kept -= (kept - begin_s) % STEP_S
        return kept if begin_s < kept < end_s - STEP_S else begin_s

    def save(self, now_s: float) -> None:
        """Keep this moment; where the disk refuses, the next start begins anew."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft = self._file.with_suffix(".new")
            draft.write_text(json.dumps({"now_s": now_s}) + "\n", encoding="utf-8")
            draft.replace(self._file)
        except OSError:
            return
