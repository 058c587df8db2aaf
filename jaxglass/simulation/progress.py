"""What a person sees while a run goes on: a live bar on a terminal, plain lines elsewhere."""

import sys
import time
from typing import TextIO


class ProgressLine:
    """How far something is, in one line that is renewed on a terminal and repeated elsewhere."""

    def __init__(self, stream: TextIO | None = None, quiet_seconds: float = 10.0):
        """`quiet_seconds` between plain lines when the stream is not a terminal."""
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.quiet = 0.3 if self.live else quiet_seconds
        self.shown = -1e9

    def due(self) -> bool:
        """Whether the line was last shown long enough ago."""
        return time.monotonic() - self.shown >= self.quiet

    def show(self, share: float, text: str) -> None:
        """Show that `share` of everything is done, and `text`."""
        self.shown = time.monotonic()
        text = f"{share:4.0%} {text}"
        if self.live:
            bar = "#" * int(24 * share)
            self.stream.write(f"\r[{bar:<24}] {text}")
        else:
            self.stream.write(text + "\n")
        self.stream.flush()

    def say(self, line: str) -> None:
        """A line of its own."""
        self.stream.write(("\n" if self.live and self.shown > 0 else "") + line + "\n")
        self.stream.flush()

    def close(self) -> None:
        """End the live line."""
        if self.live and self.shown > 0:
            self.stream.write("\n")


class Progress:
    """Shows stage, temperature, density, speed and time left of a run of `total` steps of `timestep` ps."""

    def __init__(self, total: int, timestep: float, stream: TextIO | None = None, quiet_seconds: float = 10.0):
        """`quiet_seconds` between plain lines when the stream is not a terminal."""
        self.total, self.timestep = total, timestep
        self.line = ProgressLine(stream, quiet_seconds)
        self.pace: float | None = None  # seconds per step, smoothed

    def show(
        self,
        stage: str,
        step: int,
        temperature_K: float,
        density: float,
        seconds: float,
        steps: int,
        last: bool = False,
    ) -> None:
        """Report `step` of the total; `seconds` and `steps` are those of the last block."""
        if steps:
            pace = seconds / steps
            self.pace = pace if self.pace is None else 0.7 * self.pace + 0.3 * pace
        if not (last or self.line.due()):
            return
        pace = self.pace or 0.0
        speed = f"{86400 * self.timestep * 1e-3 / pace:6.2f} ns/day" if pace else " " * 13
        left = clock(pace * (self.total - step))
        text = f"{stage:<12} {temperature_K:6.0f} K  {density:5.3f} g/cm3  {speed}  {left} left"
        self.line.show(step / max(self.total, 1), text)

    def say(self, line: str) -> None:
        """A line of its own."""
        self.line.say(line)

    def close(self) -> None:
        """End the live line."""
        self.line.close()


def clock(seconds: float) -> str:
    """ "1:02:03" or "2:03"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:2d}:{rest:02d}"
