"""From settings to a `Potential`: the parameter table, A_BO by rule or number, and checks against a structure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from jaxglass import units
from jaxglass.config import conf_folder
from jaxglass.errors import ConfigError, InputDataError
from jaxglass.model.boron import BoronRepulsion, boron_repulsion
from jaxglass.model.potential import Potential, make_potential

LARGEST_FILE = 1_000_000  # bytes
NEUTRAL = 1e-6  # e


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
    if settings.get("file"):
        settings = {**settings, **_read(Path(settings["file"]))}
    buckingham = {pair: dict(entry) for pair, entry in settings["buckingham"].items() if isinstance(entry, Mapping)}
    boron = None
    if "B" in elements and "O" in elements:
        boron = boron_repulsion(
            settings["a_bo"], counts.get("Li", 0.0), counts.get("B", 0.0), counts.get("P", 0.0), settings.get("n4")
        )
        if buckingham.get("B-O", {}).get("A") is None:
            buckingham.setdefault("B-O", {})["A"] = boron.value
    constant = units.COULOMB_LAMMPS if settings.get("constants") == "lammps_metal" else units.COULOMB
    potential = make_potential(elements, settings["charges"], buckingham, float(settings["cutoff"]), constant)
    return Parameters(potential, boron)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputDataError(f"potential.file={path}: larger than {LARGEST_FILE} bytes")
        found = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputDataError(f"potential.file={path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        place = getattr(error, "problem_mark", None)
        line = f", line {place.line + 1}" if place else ""
        raise InputDataError(f"potential.file={path}{line}: not readable as YAML") from error
    if not isinstance(found, Mapping) or not {"charges", "buckingham"} <= set(found):
        raise InputDataError(f"potential.file={path}: needs the keys charges and buckingham")
    return found


def check_neutral(potential: Potential, species: np.ndarray, allow_background: bool) -> float:
    """Net charge (e); `ConfigError` when it exceeds 1e-6 e unless a background is allowed."""
    net = float(np.asarray(potential.charges)[species].sum())
    if abs(net) > NEUTRAL and not allow_background:
        raise ConfigError(
            f"the cell carries {net:+.4f} e; balance the composition or charges, or set engine.allow_background=true"
        )
    return net
