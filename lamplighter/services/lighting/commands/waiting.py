# SPDX-License-Identifier: Apache-2.0
"""A progress bar for work that may be over before anybody wonders: it appears after two seconds."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PATIENCE_S = 2.0


@contextmanager
def waiting(what: str) -> Generator[Callable[[float], None]]:
    """Yield a function that is told the share done, 0 to 1; from two seconds on a bar shows it on standard error."""
    begun_s = time.monotonic()
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True), transient=True,
    )  # fmt: skip
    shown: list[TaskID] = []

    def tell(share: float) -> None:
        if not shown:
            if time.monotonic() - begun_s < PATIENCE_S:
                return
            bar.start()
            shown.append(bar.add_task(what, total=1.0))
        bar.update(shown[0], completed=share)

    try:
        yield tell
    finally:
        if shown:
            bar.stop()
