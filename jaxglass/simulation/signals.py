"""SIGTERM, SIGINT, SIGUSR1 and SIGUSR2 ask for a stop at the next block; a second one stops at once."""

import signal

WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


class StopRequest:
    """Context manager; `name` is the signal received so far, or empty."""

    def __init__(self):
        """No signal yet."""
        self.name = ""
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        try:
            for number in WATCHED:
                self._previous[number] = signal.signal(number, self._receive)
        except ValueError:  # not the main thread: someone else owns the signals
            self._previous = {}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _receive(self, number: int, _frame) -> None:
        if self.name:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name
