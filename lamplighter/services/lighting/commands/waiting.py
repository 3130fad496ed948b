# SPDX-License-Identifier: Apache-2.0
"""A progress bar for work that may be over before anybody wonders: it appears after two seconds."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

PATIENCE_S = 2.0


@contextmanager
def waiting(what: str) -> Generator[Callable[[float], None]]:
    """Yield a function that may be told the share done, 0 to 1; from two seconds on a bar shows it on standard error, and moves
    to and fro where nothing was told."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), console=Console(stderr=True),
        transient=True,
    )  # fmt: skip
    task = bar.add_task(what, total=None)
    patience = threading.Timer(PATIENCE_S, bar.start)
    patience.daemon = True
    patience.start()

    def tell(share: float) -> None:
        bar.update(task, total=1.0, completed=share)

    try:
        yield tell
    finally:
        patience.cancel()
        patience.join()
        if bar.live.is_started:
            bar.stop()
