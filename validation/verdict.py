"""What a comparison finds: differences beside what was allowed beforehand, and the verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import stats

MOST_ERRORS = 3.0  # combined standard errors between two means that agree


class Verdict(StrEnum):
    """Of one comparison."""

    PASS = "pass"
    FAIL = "fail"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class Check:
    """One number: `difference` must be at most `allowed`, both in `unit`; `words` give both sides."""

    quantity: str
    difference: float
    allowed: float
    unit: str
    words: str = ""

    @property
    def passes(self) -> bool:
        """Whether the difference is a number and allowed."""
        return bool(np.isfinite(self.difference) and self.difference <= self.allowed)


@dataclass(frozen=True)
class Finding:
    """All checks of one comparison; a `reason` where nothing could be compared; the date of a `kept` result."""

    checks: tuple[Check, ...] = ()
    reason: str = ""
    kept: str = ""

    @property
    def verdict(self) -> Verdict:
        """Pass only if something was compared and all of it agrees."""
        if self.reason or not self.checks:
            return Verdict.NOT_COMPARABLE
        return Verdict.PASS if all(check.passes for check in self.checks) else Verdict.FAIL

    @property
    def worst(self) -> Check | None:
        """The check that is nearest to its limit or farthest beyond it."""
        return max(self.checks, key=share) if self.checks else None

    @property
    def words(self) -> str:
        """One line."""
        if self.reason or self.worst is None:
            return self.reason or "nothing was compared"
        failed = [check.quantity for check in self.checks if not check.passes]
        worst = self.worst
        limit = f"{worst.quantity}: {worst.difference:.3g} of {worst.allowed:g} {worst.unit} allowed"
        told = f"{len(failed)} of {len(self.checks)} fail ({', '.join(failed)}); worst " if failed else "worst "
        return told + limit + (f"; {worst.words}" if worst.words else "")


def share(check: Check) -> float:
    """Of its limit that a difference comes to; where nothing is allowed, any difference is beyond it."""
    if not np.isfinite(check.difference) or (check.allowed == 0 and check.difference > 0):
        return np.inf
    return check.difference / check.allowed if check.allowed else 0.0


def unlike(reason: str) -> Finding:
    """Not comparable, and why."""
    return Finding(reason=reason)


@dataclass(frozen=True)
class Mean:
    """A mean with its standard error."""

    value: float
    error: float


def with_error(value: float, error: float | None, sign: str = "") -> str:
    """A mean beside its standard error, to two digits of the error; `sign="+"` shows it where it is positive, too."""
    if not error:
        return f"{value:{sign}.3g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:{sign}.{digits}f} ± {error:.{digits}f}"


def mean_over_seeds(values: Sequence[float] | np.ndarray) -> Mean:
    """Mean (S,) -> its standard error over independent samples."""
    values = np.asarray(values, float)
    return Mean(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


def as_rare(freedom: int) -> float:
    """How many standard errors, known with `freedom` degrees of freedom, are passed by chance as seldom as
    `MOST_ERRORS` that are known exactly: Student's t."""
    return float(stats.t.isf(stats.norm.sf(MOST_ERRORS), freedom))


def means_agree(quantity: str, unit: str, ours: Mean, theirs: Mean, allowed: float = MOST_ERRORS) -> Check:
    """Two independent means within `allowed` combined standard errors."""
    combined = float(np.hypot(ours.error, theirs.error))
    apart = abs(ours.value - theirs.value)
    words = f"jaxglass {ours.value:.6g} +- {ours.error:.2g}, LAMMPS {theirs.value:.6g} +- {theirs.error:.2g} {unit}"
    sigma = apart / combined if combined > 0 else (0.0 if apart == 0 else np.inf)
    return Check(quantity, float(sigma), allowed, "combined standard errors", words)


def pairs_agree(
    quantity: str, unit: str, ours: Sequence[float], theirs: Sequence[float], allowed: float = MOST_ERRORS
) -> Check:
    """Values (S,) of the same starts by both programs: their mean difference within `allowed` of its errors. What
    differs from start to start drops out."""
    apart = mean_over_seeds(np.asarray(ours) - np.asarray(theirs))
    words = f"jaxglass minus LAMMPS {apart.value:.2g} +- {apart.error:.2g} {unit}, {np.mean(theirs):.6g} in LAMMPS"
    sigma = abs(apart.value) / apart.error if apart.error > 0 else (0.0 if apart.value == 0 else np.inf)
    return Check(quantity, float(sigma), allowed, "standard errors", words)
