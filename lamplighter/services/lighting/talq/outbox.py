# SPDX-License-Identifier: Apache-2.0
"""Requests that wait to be sent, one at a time: urgent ones first, again after a pause where no answer came, never too late."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from lamplighter.terms.exchange import Answered, Asked

PAUSE_MAX_S = 30.0
WAITING_MAX = 20_000


@dataclass
class Job:
    """One request. done: is given the answer, or nothing where none came in time; not_after_s: then it is not sent any more."""

    asked: Asked
    done: Callable[[Answered | None], None]
    not_after_s: float = float("inf")
    due_s: float = 0.0
    tries: int = 0


class Outbox:
    """Two lines of jobs; what is urgent overtakes the rest."""

    def __init__(self) -> None:
        self._urgent: deque[Job] = deque()
        self._later: deque[Job] = deque()
        self._asked: Job | None = None
        self.late = 0
        self.silent = False  # the last request had no answer

    def __len__(self) -> int:
        return len(self._urgent) + len(self._later)

    def add(self, job: Job, urgent: bool = False) -> bool:
        """Take a job; tell whether there was room for it."""
        if len(self) >= WAITING_MAX:
            return False
        (self._urgent if urgent else self._later).append(job)
        return True

    def drop(self, which: Callable[[Job], bool]) -> None:
        """Forget the jobs for which `which` holds."""
        self._urgent = deque(job for job in self._urgent if not which(job))
        self._later = deque(job for job in self._later if not which(job))

    def next(self, now_s: float) -> Asked | None:
        """Return the request to send now, nothing where none is due."""
        for line in (self._urgent, self._later):
            while line and line[0].not_after_s < now_s:
                self.late += 1
                line.popleft().done(None)
            if line and line[0].due_s <= now_s:
                self._asked = line[0]
                return line[0].asked
            if line:
                return None  # what is behind must not overtake what waits for its pause
        return None

    def answered(self, answer: Answered | None, now_s: float) -> None:
        """Take the answer to the last request; one that says "later" or none at all makes it wait."""
        job, self._asked = self._asked, None
        self.silent = answer is None
        line = self._urgent if self._urgent and self._urgent[0] is job else self._later
        if job is None or not line or line[0] is not job:
            return  # it was dropped while it was on its way
        if answer is None or answer.status in (429, 502, 503, 504):
            job.tries += 1
            job.due_s = now_s + min(2.0 ** min(job.tries - 1, 10), PAUSE_MAX_S)
            return
        line.popleft()
        job.done(answer)
