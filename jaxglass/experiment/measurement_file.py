"""A file of measurements: YAML sections whose keys name their unit; whatever could be misread is refused in one line.

A quantity is a number, or {value, error}, or {readings, error}: readings are averaged, and `error` is then the standard
uncertainty that they share.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from jaxglass.errors import InputDataError
from jaxglass.experiment.propagation import Uncertain, mean_of

LARGEST = 1_000_000  # bytes
NOT_YAML = (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError)  # PyYAML raises all


@dataclass(frozen=True)
class Section:
    """Entries under one key of a file; `place` is the file and key, as every refusal names it."""

    place: str
    entries: Mapping[str, Any]

    def check(self, required: Sequence[str], optional: Sequence[str] = ()) -> None:
        """Refuse a key that is missing, and one that is unknown with the nearest name."""
        known = [*required, *optional]
        for key in self.entries:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, 1, 0.5)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                raise InputDataError(f"{self.at(key)}: unknown key, {hint}")
        for key in required:
            if key not in self.entries:
                raise InputDataError(f"{self.at(key)}: missing")

    def at(self, key: object) -> str:
        """Place of `key`."""
        return f"{self.place}.{key}" if not self.place.endswith(": ") else f"{self.place}{key}"

    def section(self, key: str) -> "Section | None":
        """The section `key`, if it is there."""
        if key not in self.entries:
            return None
        return self._mapping(self.at(key), self.entries[key])

    def sections(self, key: str) -> list["Section"]:
        """The entries of a list of sections, counted from 1."""
        return [self._mapping(f"{self.at(key)}[{i}]", item) for i, item in enumerate(self._list(key), start=1)]

    def numbers(self, key: str) -> list[float]:
        """A list of finite numbers, at least one."""
        return [_number(f"{self.at(key)}[{i}]", item) for i, item in enumerate(self._list(key), start=1)]

    def number(self, key: str) -> float:
        """A finite number."""
        return _number(self.at(key), self.entries[key])

    def text(self, key: str) -> str | None:
        """Text, or None where there is no such key."""
        value = self.entries.get(key)
        if not isinstance(value, (str, type(None))):
            raise InputDataError(f"{self.at(key)} = {_short(value)}: must be text")
        return value

    def quantity(self, key: str) -> Uncertain:
        """A number above 0 with its standard uncertainty."""
        found = self._quantity(key)
        if not (found.value > 0 and found.error >= 0):
            raise InputDataError(
                f"{self.at(key)} = {found.value:g} with error {found.error:g}: the value must be above 0, "
                "the error not below"
            )
        return found

    def _quantity(self, key: str) -> Uncertain:
        if not isinstance(self.entries[key], Mapping):
            return Uncertain(self.number(key), 0.0)
        inner = self._mapping(self.at(key), self.entries[key])
        error = inner.number("error") if "error" in inner.entries else 0.0
        if "readings" not in inner.entries:
            inner.check(("value",), ("error", "readings"))
            return Uncertain(inner.number("value"), error)
        inner.check(("readings",), ("error",))
        readings = inner.numbers("readings")
        if len(readings) < 2 or min(readings) <= 0 or error < 0:
            raise InputDataError(
                f"{inner.place}: needs at least two readings, all above 0, and an error not below; one alone is a value"
            )
        return mean_of(readings, error)

    def _list(self, key: str) -> list[Any]:
        found = self.entries[key]
        if not (isinstance(found, list) and found):
            raise InputDataError(f"{self.at(key)} = {_short(found)}: must be a list with at least one entry")
        return found

    @staticmethod
    def _mapping(place: str, found: Any) -> "Section":
        if not isinstance(found, Mapping):
            raise InputDataError(f"{place} = {_short(found)}: must hold keys")
        return Section(place, found)


def read_file(path: Path) -> Section:
    """All of `path`; `InputDataError` when it cannot be read or is no YAML of keys and values."""
    try:
        if path.stat().st_size > LARGEST:
            raise InputDataError(f"{path}: larger than {LARGEST} bytes; this is no file of measurements")
        entries = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputDataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputDataError(f"{path}: is not a text file") from None
    except NOT_YAML as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else f"{path}"
        reason = getattr(error, "problem", None) or type(error).__name__
        raise InputDataError(f"{where}: is not YAML ({_short(reason)})") from None
    if not isinstance(entries, Mapping):
        raise InputDataError(f"{path}: holds no keys; see docs/experiment.md for an example")
    return Section(f"{path}: ", entries)


def _number(place: str, found: Any) -> float:
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        hint = " (YAML takes 1e3 for text: write 1.0e+3)" if _is_number(found) else ""
        raise InputDataError(f"{place} = {_short(found)}: must be a number{hint}")
    if not math.isfinite(found) or abs(found) > 1e300:
        raise InputDataError(f"{place} = {_short(found)}: must be finite")
    return float(found)


def _is_number(found: Any) -> bool:
    try:
        return isinstance(found, str) and math.isfinite(float(found))
    except ValueError:
        return False


def _short(found: Any) -> str:
    """One line of what was found, cut where it is long."""
    text = " ".join(str(found).split()) if isinstance(found, str) else " ".join(repr(found).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
