# SPDX-License-Identifier: Apache-2.0
"""A simulated field in a process of its own, spoken to over a pipe, in lock step with the loop.

A process of its own because libsumo holds one simulation per process and does not share one with pyarrow, and
because person-level data stays behind that wall: only readings, sums and quantiles come through the pipe.
"""

import contextlib
import gc
import importlib
import os
import signal
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

from lamplighter.runtime.processes import context
from lamplighter.terms.columns import AnyArray
from lamplighter.terms.reading import Message
from lamplighter.terms.simulation import Advance, Simulated, SimulationStart, Simulator, World

OPEN_TIMEOUT_S = 300.0


class SimulatorError(RuntimeError):
    """The simulated field stopped; the message says of which service, where in time and why."""


def open_field(dotted: str, start: SimulationStart) -> Simulator:
    """Open the simulator that a service names as `package.module:function`, in this process."""
    module, _, name = dotted.partition(":")
    return getattr(importlib.import_module(module), name)(start)


def _serve(dotted: str, start: SimulationStart, pipe: Connection) -> None:
    """Run the simulator in the child: one request, one answer, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    simulator: Simulator | None = None
    try:
        simulator = open_field(dotted, start)
        gc.freeze()  # what was built while opening stays: no collection need look at it again
        pipe.send(("ready", None))
        while True:
            call, arguments = pipe.recv()
            if call == "close":
                break
            pipe.send(("done", getattr(simulator, call)(*arguments)))
    except EOFError:
        pass
    except Exception:  # noqa: BLE001 - whatever fails in the child must be told to the parent
        with contextlib.suppress(OSError):
            pipe.send(("failed", traceback.format_exc(limit=12)))
    finally:
        if simulator is not None:
            with contextlib.suppress(Exception):
                simulator.close()
        pipe.close()


class SimulatorProcess:
    """The parent's end of one simulated field. `begin` and `finish` let several fields run at the same time."""

    lock_step = True

    def __init__(self, service: str, dotted: str, start: SimulationStart) -> None:
        """Start the process; the field opens meanwhile. Call `wait_ready` before the first advance."""
        processes = context()
        self._service = service
        self._pipe, child = processes.Pipe()
        self._process = processes.Process(target=_serve, args=(dotted, start, child), name=f"{service} field", daemon=True)
        self._process.start()
        child.close()

    def _answer(self, doing: str) -> Any:
        try:
            if not self._pipe.poll(OPEN_TIMEOUT_S):
                raise SimulatorError(f"{self._service} field: no answer for {OPEN_TIMEOUT_S:g} s while {doing}; stopping it.")
            kind, value = self._pipe.recv()
        except (EOFError, ConnectionResetError, BrokenPipeError):
            self._process.join(timeout=5)
            raise SimulatorError(
                f"{self._service} field: its process ended (exit code {self._process.exitcode}) while {doing}. "
                "Everything recorded so far is kept; start the city again, or run `lamplighter doctor`."
            ) from None
        if kind == "failed":
            raise SimulatorError(f"{self._service} field failed while {doing}:\n{value}")
        return value

    def wait_ready(self) -> None:
        """Wait until the field is open."""
        self._answer("opening")

    def send(self, messages: Sequence[Message], due_s: float | None) -> bool:
        """Send nothing: a field in lock step takes messages with `begin`."""
        return not messages

    def fault(self) -> str:
        """A field that fails says so by SimulatorError."""
        return ""

    def begin(self, to_s: float, messages: Sequence[Message], world: World) -> None:
        """Deliver messages and let the field run up to `to_s` without waiting."""
        try:
            self._pipe.send(("advance", (to_s, tuple(messages), dict(world))))
        except (BrokenPipeError, OSError):
            self._answer("being asked to advance")

    def finish(self) -> Advance:
        """Wait for the advance begun before."""
        return self._answer("advancing")

    def scene(self) -> Simulated[Mapping[str, AnyArray]]:
        """Return the arrays for the map of a simulated city."""
        self._pipe.send(("scene", ()))
        return self._answer("drawing")

    def inject(self, fault: str, arguments: Mapping[str, Any]) -> str:
        """Break something on purpose; returns what was broken."""
        self._pipe.send(("inject", (fault, dict(arguments))))
        return self._answer("being broken on purpose")

    def close(self) -> None:
        """Stop the process; never raises."""
        with contextlib.suppress(OSError, BrokenPipeError):
            self._pipe.send(("close", ()))
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(timeout=5)
        self._pipe.close()
