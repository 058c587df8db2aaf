"""Requests to stop: SIGTERM, SIGINT, SIGUSR1, SIGUSR2 and the alarm of `max_walltime`.

Where a run can be continued, `StopRequest` notes the request and the loop stops at its next block with a checkpoint.
Everywhere else (analyses, reports, packing) there is nothing to save: `StopAtOnce` raises `Preempted` there and then.
A second request, if it is not the echo of the first, ends the process at once. Whoever watched before is told
afterwards what came, so that a scheduler's own handler (submitit requeues on SIGUSR2) acts after the checkpoint is
written.
"""

import signal
import time
from types import FrameType
from typing import Self

from jaxglass.errors import Preempted

WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)
SHARE = 0.99  # of max_walltime: the rest is for the last block and its checkpoint
LONGEST_RESERVE = 300.0  # s
ECHO = 1.0  # s; a terminal and the program above may both pass on the same request


def signal_name(number: int) -> str:
    """The name of a request as messages give it."""
    return "max_walltime" if number == signal.SIGALRM else signal.Signals(number).name


class StopRequest:
    """Context manager; `name` is the request received so far, or empty."""

    def __init__(self) -> None:
        """No request yet."""
        self.name = ""
        self.number = 0
        self._since = 0.0
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        try:
            for number in WATCHED:
                self._previous[number] = signal.signal(number, self._receive)
        except ValueError:  # not the main thread: someone else owns the signals
            self._previous = {}
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        if self.number and kind is None:  # the work ended before anyone looked: the request is not lost
            self.pass_on()

    def pass_on(self) -> None:
        """Deliver the request to whoever watched before, if that is a program and not the system's default."""
        if callable(self._previous.get(self.number)):
            signal.raise_signal(signal.Signals(self.number))

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.name and time.monotonic() - self._since > ECHO:
            raise KeyboardInterrupt
        if not self.name:
            self.name, self.number, self._since = signal_name(number), number, time.monotonic()


class StopAtOnce(StopRequest):
    """The same for work that holds nothing worth saving: `Preempted` is raised where the request finds it."""

    def __init__(self, max_walltime: float | None = None) -> None:
        """`max_walltime` in hours from now on; None: no limit."""
        super().__init__()
        self.seconds = None if max_walltime is None else 3600 * max_walltime

    def __enter__(self) -> Self:
        super().__enter__()
        if self.seconds is not None and self._previous:
            signal.setitimer(signal.ITIMER_REAL, max(SHARE * self.seconds, self.seconds - LONGEST_RESERVE))
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self.seconds is not None and self._previous:
            signal.setitimer(signal.ITIMER_REAL, 0)
        super().__exit__(kind, *rest)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        super()._receive(number, frame)
        raise Preempted(f"stopped by {self.name}; run the same command to continue")
