"""All comparisons of a level and the negative controls, in order, one line each."""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxglass.errors import JaxglassError
from validation.bench import Bench, Control
from validation.comparisons import COMPARISONS, Comparison
from validation.verdict import Check, Finding, Verdict


@dataclass(frozen=True)
class Judged:
    """A comparison with what it found and how long that took (s)."""

    comparison: Comparison
    finding: Finding
    seconds: float


@dataclass(frozen=True)
class Caught:
    """A negative control: the comparison that has to fail under it, and whether it did."""

    control: Control
    comparison: Comparison
    finding: Finding

    @property
    def caught(self) -> bool:
        """Only a difference in what is compared first counts: not an error that is too large, nor what could not be
        made."""
        checks = self.finding.checks
        made = bool(checks) and all(np.isfinite(check.difference) for check in checks)
        return made and self.finding.verdict is Verdict.FAIL and not checks[0].passes


@dataclass(frozen=True)
class Outcome:
    """Everything a run of the suite found."""

    judged: tuple[Judged, ...]
    controls: tuple[Caught, ...]

    @property
    def passes(self) -> bool:
        """No comparison fails, one at least passes, and every control is caught."""
        verdicts = [one.finding.verdict for one in self.judged]
        return Verdict.FAIL not in verdicts and Verdict.PASS in verdicts and all(one.caught for one in self.controls)


def run_suite(bench: Bench, table: Sequence[Comparison] = COMPARISONS) -> Outcome:
    """Every row of `table` that runs at the level or has a kept result, then the controls of the level."""
    for row in table:
        if row.runs_at(bench.level) and row.ahead:
            row.ahead(bench)
    judged = []
    for row in table:
        if row.runs_at(bench.level) or row.kept:
            judged.append(_judge(bench, row))
    controls = [_control(bench, row) for row in table if row.catches is not Control.NONE and row.runs_at(bench.level)]
    return Outcome(tuple(judged), tuple(controls))


def catching(level: str, table: Sequence[Comparison] = COMPARISONS) -> set[Control]:
    """The controls that a run of this level would catch."""
    return {row.catches for row in table if row.runs_at(level)}


def _judge(bench: Bench, row: Comparison) -> Judged:
    began = time.monotonic()
    finding = _measured(bench, row) if row.runs_at(bench.level) or row.kept is None else row.kept()
    seconds = time.monotonic() - began
    kept = f"  [kept {finding.kept}]" if finding.kept else ""
    bench.say(f"{finding.verdict:<15}{row.name:<21}{seconds:6.0f} s  {finding.words}{kept}")
    return Judged(row, finding, seconds)


def _control(bench: Bench, row: Comparison) -> Caught:
    found = Caught(row.catches, row, _measured(bench.under(row.catches), row))
    told = "caught" if found.caught else "NOT CAUGHT"
    bench.say(f"{told:<15}control: {row.catches} wrong, {row.name}: {found.finding.words}")
    return found


def _measured(bench: Bench, row: Comparison) -> Finding:
    """What the comparison finds; a program that stops has failed, in its own words."""
    try:
        return row.measure(bench)
    except (JaxglassError, OSError, subprocess.CalledProcessError) as error:
        return Finding((Check("run to its end", np.inf, 0.0, "", f"{type(error).__name__}: {error}"),))
