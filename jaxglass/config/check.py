"""Settings checked once at the door: every problem at once, in one line, before anything is compiled."""

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any

from jaxglass.config.schema import DEFAULT_STAGES, FREE_FORM, LOOSE, RULES, SPECIAL, STAGES
from jaxglass.config.settings import Config
from jaxglass.errors import ConfigError

LANES = ("glass.li2o", "seed")  # keys that task=ensemble takes lists of
CUTOFFS = ("structure.cutoffs", "rings.cutoffs", "bond_switching.cutoffs")
FORBIDDEN = ("_target_", "_partial_", "_recursive_", "_convert_", "_args_")


def check_config(values: Mapping[str, Any]) -> Config:
    """A `Config` from plain nested values; one `ConfigError` that lists every problem."""
    problems: list[str] = []
    known = {*RULES, *SPECIAL, *LOOSE}
    flat = dict(_flatten(values, known))
    for key, value in flat.items():
        last = key.rsplit(".", 1)[-1]
        if last in FORBIDDEN:
            problems.append(f"{key}: code cannot be named in settings")
        elif key in RULES:
            problems += [f"{key} = {value!r}: {reason}" for reason in _reasons(key, value, flat.get("task"))]
        elif key not in known and not key.startswith(FREE_FORM):
            near = difflib.get_close_matches(key, known, 1, 0.5) or difflib.get_close_matches(
                last, [k.rsplit(".", 1)[-1] for k in known], 1, 0.5
            )
            problems.append(f"{key}: unknown key" + (f", did you mean {near[0]}?" if near else ""))
        if key not in RULES or RULES[key].kind == "map":
            problems += _unusable(value, key)
    problems += [f"{key}: missing" for key in sorted({*RULES, *SPECIAL} - set(flat))]
    a_bo = flat.get("potential.a_bo")
    if (
        isinstance(a_bo, bool)
        or not isinstance(a_bo, (int, float, str))
        or (not isinstance(a_bo, str) and not math.isfinite(a_bo))
    ):
        problems.append(f"potential.a_bo = {a_bo!r}: must be a number in eV or a rule name")
    problems += [problem for key in CUTOFFS for problem in _bad_cutoffs(key, flat.get(key))]
    if flat.get("scattering.measured.file") is not None:
        needed = ("scattering.measured.quantity", "scattering.measured.density")
        problems += [f"{key}: must be given with scattering.measured.file" for key in needed if flat.get(key) is None]
    stages, trouble = _stages(flat.get("stages"))
    problems += trouble
    if problems:
        raise ConfigError("; ".join(problems))
    return Config(values, stages)


def _bad_cutoffs(key: str, cutoffs: Any) -> list[str]:
    """What is wrong with a map of cutoffs."""
    pairs = cutoffs.items() if isinstance(cutoffs, Mapping) else ()
    good = [name for name, c in pairs if isinstance(c, (int, float)) and not isinstance(c, bool) and 0 < c < 10]
    return [f"{key}.{name} = {c!r}: must be a distance in A" for name, c in pairs if name not in good]


def _reasons(key: str, value: Any, task: Any) -> list[str]:
    """Why `value` is refused for `key`; lists are for the lanes of an ensemble."""
    if not isinstance(value, (list, tuple)) or key not in LANES:
        found = [RULES[key].problem(value)]
    elif task not in ("ensemble", "validate_config"):
        found = ["a list needs task=ensemble, or jaxglass -m for a sweep"]
    elif not value or len(set(map(str, value))) < len(value):
        found = ["must be different values, at least one"]
    else:
        found = [RULES[key].problem(item) for item in value]
    return [reason for reason in found if reason]


def _flatten(node: Mapping[str, Any], known: set[str], prefix: str = ""):
    for key, value in node.items():
        name = f"{prefix}{key}"
        if name in known or not isinstance(value, Mapping):
            yield name, value
            yield from (item for item in _forbidden(value, name))
        elif isinstance(value, Mapping):
            yield from _flatten(value, known, name + ".")


def _unusable(value: Any, name: str) -> Iterator[str]:
    """What no file of results could hold: names that are not text, numbers that are not finite."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, str):
                yield from _unusable(inner, f"{name}.{key}")
            else:
                yield f"{name}: {key!r} must be text; write it in quotes"
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _unusable(inner, name)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{name} = {value!r}: must be finite"


def _forbidden(value: Any, name: str):
    """Keys inside free-form maps that Hydra could turn into calls."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in FORBIDDEN:
                yield f"{name}.{key}", inner
            yield from _forbidden(inner, f"{name}.{key}")


def _stages(wanted: Any) -> tuple[tuple[str, ...], list[str]]:
    if wanted == "default":
        return DEFAULT_STAGES, []
    if wanted == "all":
        return STAGES, []
    if isinstance(wanted, str):
        wanted = [wanted]
    if not isinstance(wanted, (list, tuple)) or not wanted:
        return (), [f"stages = {wanted!r}: must be default, all or a list of {', '.join(STAGES)}"]
    unknown = [s for s in wanted if s not in STAGES]
    if unknown:
        near = difflib.get_close_matches(str(unknown[0]), STAGES, 1, 0.4)
        hint = f", did you mean {near[0]}?" if near else ""
        return (), [f"stages: '{unknown[0]}' is not one of {', '.join(STAGES)}{hint}"]
    return tuple(s for s in STAGES if s in wanted), []
