"""What a person sees while a run goes on: a live bar on a terminal, plain lines elsewhere."""

import sys
import time
from typing import TextIO


class Progress:
    """Shows stage, temperature, density, speed and time left of a run of `total` steps of `timestep` ps."""

    def __init__(self, total: int, timestep: float, stream: TextIO | None = None, quiet_seconds: float = 10.0):
        """`quiet_seconds` between plain lines when the stream is not a terminal."""
        self.total, self.timestep = total, timestep
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.quiet = 0.3 if self.live else quiet_seconds
        self.shown = -1e9
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
        now = time.monotonic()
        if now - self.shown < self.quiet and not last:
            return
        self.shown = now
        share = step / max(self.total, 1)
        pace = self.pace or 0.0
        speed = f"{86400 * self.timestep * 1e-3 / pace:6.2f} ns/day" if pace else " " * 13
        left = _clock(pace * (self.total - step))
        text = f"{share:4.0%} {stage:<12} {temperature_K:6.0f} K  {density:5.3f} g/cm3  {speed}  {left} left"
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


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:2d}:{rest:02d}"
