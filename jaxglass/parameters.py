"""From settings to a `Potential`: the parameter table, A_BO by rule or number, and checks against a structure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import yaml

from jaxglass import units
from jaxglass.config import CUTOFF_STYLES, conf_folder
from jaxglass.errors import ConfigError, InputDataError
from jaxglass.model.boron import BoronRepulsion, boron_repulsion
from jaxglass.model.potential import Potential, make_potential

LARGEST_FILE = 1_000_000  # bytes
LARGEST_NUMBER = 1e15  # any unit
NEUTRAL = 1e-6  # e
LARGEST_CHANGE = 1.0  # of ln A_BO
MIDDLE = 41.0  # mol % Li2O, of the compositions of the paper
MAPS, NUMBERS = ("charges", "buckingham"), ("A", "rho", "C")
KEYS = (  # of a potential file
    *MAPS,
    *("a_bo", "a_bo_offset", "a_bo_slope", "n4", "cutoff", "cutoff_style", "switch_width", "constants"),
    *("name", "note", "source", "file"),  # file: the shipped table has it, and it names nothing there
)


@dataclass(frozen=True)
class Parameters:
    """A potential and where its B-O repulsion came from (None for a glass without boron)."""

    potential: Potential
    boron: BoronRepulsion | None


def default_settings() -> dict[str, Any]:
    """The shipped Deng-Du parameters."""
    return yaml.safe_load((conf_folder() / "potential" / "deng_du.yaml").read_text())


def load_parameters(settings: Mapping[str, Any], elements: tuple[str, ...], counts: Mapping[str, float]) -> Parameters:
    """Potential for `elements` of a glass with `counts`; `settings` is the potential section of the configuration.

    `settings["file"]` may name a YAML file with the same keys, which then replaces the section.
    """
    settings = with_file(settings)
    problems = bad_numbers(settings)
    if problems:
        raise ConfigError("; ".join(problems))
    buckingham = {pair: dict(entry) for pair, entry in settings["buckingham"].items() if isinstance(entry, Mapping)}
    boron = None
    if "B" in elements and "O" in elements:
        boron = _boron(settings, buckingham.get("B-O", {}).get("A"), counts)
        buckingham.setdefault("B-O", {})["A"] = boron.value
    constant = units.COULOMB_LAMMPS if settings.get("constants") == "lammps_metal" else units.COULOMB
    cutoff, switch = float(settings["cutoff"]), switch_width(settings)
    potential = make_potential(elements, settings["charges"], buckingham, cutoff, constant, switch)
    return Parameters(potential, boron)


def _boron(settings: Mapping[str, Any], given: float | None, counts: Mapping[str, float]) -> BoronRepulsion:
    """A_BO as it is used: the number `given` for the pair, or the rule's with what a refit changed of its law."""
    if given is not None:
        return BoronRepulsion(float(given), "a number for the pair B-O", None)
    lithium, boron, phosphorus = (counts.get(element, 0.0) for element in ("Li", "B", "P"))
    found = boron_repulsion(settings["a_bo"], lithium, boron, phosphorus, settings.get("n4"))
    change = law_change(settings, counts)
    return found if change == 1 else BoronRepulsion(found.value * change, f"{found.rule}, refitted", found.n4)


def with_file(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The potential section with the keys of the file that it names in place of its own."""
    return {**settings, **_read(Path(settings["file"]))} if settings.get("file") else dict(settings)


def boron_entry(boron: BoronRepulsion | None) -> dict[str, Any] | None:
    """A_BO for results.json; None without boron."""
    return None if boron is None else {"value": boron.value, "unit": "eV", "rule": boron.rule, "n4_law": boron.n4}


def law_change(settings: Mapping[str, Any], counts: Mapping[str, float]) -> float:
    """Factor on A_BO of a refitted law: exp[offset + slope (x - 41)/10], x = mol % Li2O of Li2O, B2O3 and P2O5."""
    slope = float(settings.get("a_bo_slope") or 0.0)
    return float(np.exp(float(settings.get("a_bo_offset") or 0.0) + slope * (li2o_of(counts) - MIDDLE) / 10))


def li2o_of(counts: Mapping[str, float]) -> float:
    """mol % Li2O of Li2O, B2O3 and P2O5 in a glass of any elements; 0 where there are none of them."""
    lithium, boron, phosphorus = (counts.get(element, 0.0) for element in ("Li", "B", "P"))
    return 100 * lithium / max(1e-300, lithium + boron + phosphorus)


def switch_width(settings: Mapping[str, Any]) -> float:
    """Width (A) of the switch before the cutoff; 0 where the potential is truncated."""
    return float(settings["switch_width"]) if settings.get("cutoff_style") == "c2" else 0.0


def bad_numbers(settings: Mapping[str, Any]) -> list[str]:
    """What in the potential section has not the form of a potential; values are checked where it is made."""
    problems = [f"potential.{key}: must be a mapping" for key in MAPS if not isinstance(settings.get(key), Mapping)]
    if problems:
        return problems
    for element, charge in settings["charges"].items():
        if not _is_number(charge):
            problems.append(f"potential.charges.{element} = {_short(charge)}: must be a number in e")
    for pair, entry in settings["buckingham"].items():
        if not isinstance(pair, str):
            problems.append(f"potential.buckingham: {_short(pair)} is not the name of a pair; write it in quotes")
        for key, value in entry.items() if isinstance(entry, Mapping) else ():
            if key in NUMBERS and value is not None and not _is_number(value):
                problems.append(f"potential.buckingham.{pair}.{key} = {_short(value)}: must be a positive number")
    if not _is_number(settings.get("cutoff")):
        problems.append(f"potential.cutoff = {_short(settings.get('cutoff'))}: must be a number in A")
    style = settings.get("cutoff_style", "truncated")
    if style not in CUTOFF_STYLES:
        problems.append(f"potential.cutoff_style = {_short(style)}: must be one of {', '.join(CUTOFF_STYLES)}")
    width = settings.get("switch_width")
    if style == "c2" and not (_is_number(width) and width > 0):
        problems.append(f"potential.switch_width = {_short(width)}: must be a positive number in A")
    a_bo, n4 = settings.get("a_bo"), settings.get("n4")
    if not isinstance(a_bo, str) and not _is_number(a_bo):
        problems.append(f"potential.a_bo = {_short(a_bo)}: must be a number in eV or a rule name")
    for key in ("a_bo_offset", "a_bo_slope"):
        change = settings.get(key)
        if change is not None and not (_is_number(change) and abs(change) <= LARGEST_CHANGE):
            problems.append(f"potential.{key} = {_short(change)}: must be a number between -1 and 1")
    if n4 is not None and not _is_number(n4):
        problems.append(f"potential.n4 = {_short(n4)}: must be a share between 0 and 1")
    return problems


def _is_number(value: object) -> TypeGuard[float]:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    return good and -LARGEST_NUMBER < value < LARGEST_NUMBER  # type: ignore[operator]


def _short(value: object) -> str:
    """A value as a message shows it; a file can hold more than a line."""
    if isinstance(value, (str, int, float, bool, type(None))):
        text = repr(value) if not isinstance(value, int) or abs(value) < LARGEST_NUMBER else "a number without end"
        return text[:40]
    return f"a {type(value).__name__}"


def _read(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputDataError(f"potential.file={path}: larger than {LARGEST_FILE} bytes")
        found = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputDataError(f"potential.file={path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        line = f", line {place.line + 1}" if place else ""
        raise InputDataError(f"potential.file={path}{line}: not readable as YAML") from error
    if not isinstance(found, Mapping) or not {"charges", "buckingham"} <= set(found):
        raise InputDataError(f"potential.file={path}: needs the keys charges and buckingham")
    unknown = [_short(key) for key in found if key not in KEYS]
    if unknown:
        raise InputDataError(f"potential.file={path}: unknown {', '.join(unknown[:5])}; known: {', '.join(KEYS)}")
    return found


def check_neutral(potential: Potential, species: np.ndarray, allow_background: bool) -> float:
    """Net charge (e); `ConfigError` when it exceeds 1e-6 e unless a background is allowed."""
    net = float(np.asarray(potential.charges)[species].sum())
    if abs(net) > NEUTRAL and not allow_background:
        raise ConfigError(
            f"the cell carries {net:+.4f} e; balance the composition or charges, or set engine.allow_background=true"
        )
    return net
