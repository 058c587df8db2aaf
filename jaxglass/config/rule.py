"""What a key of the settings may hold."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

SLICE = re.compile(r"-?\d*:(-?\d+)?(:0*[1-9]\d*)?")
LISTS = {"floats": "numbers", "ints": "whole numbers", "strs": "text"}


@dataclass(frozen=True)
class Rule:
    """What a key may hold: a kind (float, int, bool, str, slice, map, or a list: floats, ints, strs), a range, choices.

    `optional` allows null.
    """

    kind: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    optional: bool = False
    open_low: bool = False  # true: strictly above `low`
    length: int | None = None  # of a list

    def problem(self, value: Any) -> str:
        """Why `value` is refused, or an empty string."""
        if value is None:
            return "" if self.optional else "must be given"
        if self.kind == "bool":
            return "" if isinstance(value, bool) else "must be true or false"
        if self.kind == "str":
            if not isinstance(value, str):
                return "must be text"
            return "" if not self.choices or value in self.choices else f"must be one of {', '.join(self.choices)}"
        if self.kind == "map":
            return "" if isinstance(value, Mapping) else "must be a mapping"
        if self.kind == "slice":
            good = isinstance(value, str) and SLICE.fullmatch(value)
            return "" if good else "must be start:stop:step, for example :100, ::10 or -50:"
        if self.kind in LISTS:
            return self._problem_of_list(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return "must be a whole number" if self.kind == "int" else "must be a number"
        if not math.isfinite(value) or (self.kind == "int" and value != int(value)):
            return "must be a whole number" if self.kind == "int" else "must be finite"
        if value < self.low or value > self.high or (self.open_low and value == self.low):
            return f"must lie between {self.low:g} and {self.high:g}" + (
                f", above {self.low:g}" if self.open_low else ""
            )
        return ""

    def _problem_of_list(self, value: Any) -> str:
        """Like `problem`, for a list; an `optional` one may be empty."""
        if not isinstance(value, (list, tuple)) or not (value or self.optional):
            return f"must be a list of {LISTS[self.kind]}"
        if self.length not in (None, len(value)):
            return f"must be a list of {self.length} {LISTS[self.kind]}"
        each = replace(self, kind=self.kind.removesuffix("s"), optional=False)
        return next((f"every entry {problem}" for entry in value if (problem := each.problem(entry))), "")


def positive(high: float, kind: str = "float") -> Rule:
    """A number above zero, at most `high`."""
    return Rule(kind, 0.0, high, open_low=True)
