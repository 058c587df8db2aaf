"""The section `refit` of the settings, checked before anything is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jaxglass.analysis.measured_curve import MeasuredCurve, read_curve
from jaxglass.config import RULES
from jaxglass.errors import ConfigError
from jaxglass.model.composition import HALF, label
from jaxglass.refit.parameters import Parameter, parameters
from jaxglass.refit.topology import DIRECTIONS

#: numbers of an entry of refit.targets, and the setting whose rule they obey
ENTRIES = {
    "density": "refit.density",
    "li2o": "glass.li2o",
    "bulk_modulus": "refit.bulk_modulus",
    "shear_modulus": "refit.shear_modulus",
}
TARGET_KEYS = ("file", "hold_out", *ENTRIES)


@dataclass(frozen=True)
class MeasuredTarget:
    """A measured curve, the `density` (g/cm3) and, where known, the moduli (GPa) of its glass of `li2o` mol %, whose
    `name` stands in figures and folders."""

    name: str
    curve: MeasuredCurve
    li2o: float
    density: float
    bulk: float | None
    shear: float | None
    hold_out: bool


@dataclass(frozen=True)
class RefitSettings:
    """What is fitted to what, and how; the keys are those of the settings."""

    targets: tuple[MeasuredTarget, ...]
    quantity: str
    radiation: str
    moving: tuple[Parameter, ...]
    estimator: str
    optimiser: str
    learning_rate: float
    seeds: int
    outer_steps: int
    inner_steps: int
    resting: int
    topology_quenches: int
    topology_every: int
    jitter: float
    profiles: int
    radius: float
    sigma: float
    density_sd: float


def refit_settings(
    values: Mapping[str, Any], li2o: float, b2o3_share: float = HALF, structure: str | None = None
) -> RefitSettings:
    """From the section `refit`; the glass of a single `target` is that of `glass.li2o`, or of the file `structure`.

    Raises `ConfigError` for settings that do not make a fit, `InputDataError` for a file that cannot be read.
    """
    problems = [f"refit.{key} must be given" for key in ("quantity", "kind") if values.get(key) is None]
    if (values.get("target") is None) == (not values.get("targets")):
        problems.append("refit.target: give one file, or several glasses in refit.targets")
    elif values.get("targets"):
        alone = [key for key in ("density", "bulk_modulus", "shear_modulus") if values.get(key) is not None]
        problems += [f"refit.{key}: give it with each glass of refit.targets" for key in alone]
    elif values.get("density") is None:
        problems.append("refit.density must be given (g/cm3 of the measured glass)")
    if problems:
        raise ConfigError("; ".join(problems))
    entries = values.get("targets") or [
        {
            "file": values["target"],
            "li2o": li2o,
            **{k: values[k] for k in ("density", "bulk_modulus", "shear_modulus") if values.get(k) is not None},
        }
    ]
    quantity, length = str(values["quantity"]), str(values["length"])
    targets = tuple(_target(entry, k, quantity, length, b2o3_share) for k, entry in enumerate(_listed(entries)))
    if structure:
        if len(targets) > 1:
            raise ConfigError("input: one structure stands for one glass; leave it out to fit several compositions")
        targets = tuple(replace(target, name=Path(structure).stem) for target in targets)
    if len({target.name for target in targets}) < len(targets):
        raise ConfigError("refit.targets: two glasses of one composition; give each composition once")
    if all(target.hold_out for target in targets):
        raise ConfigError("refit.targets: every glass is held out; one at least must be fitted")
    if values["estimator"] == "ensemble" and any(t.bulk or t.shear for t in targets if not t.hold_out):
        raise ConfigError(
            "refit.estimator=ensemble: the slopes of its quenches hold no moduli; fit them with hybrid or implicit"
        )
    moving = parameters([str(name) for name in values["parameters"]], dict(values.get("priors") or {}))
    check_slope(moving, [target.li2o for target in targets if not target.hold_out])
    check_quenches(str(values["estimator"]), len(moving), int(values["topology_quenches"]))
    return RefitSettings(
        targets=targets,
        quantity=quantity,
        radiation=str(values["kind"]),
        moving=moving,
        **{key: values[key] for key in _PLAIN},
    )


def check_slope(moving: Sequence[Parameter], fitted: Sequence[float]) -> None:
    """`ConfigError` where `slope` moves but one composition alone is `fitted` (mol % Li2O): data of one cannot tell a
    slope from an offset, and part of what they ask for would be laid on compositions that nobody measured."""
    kinds = {parameter.kind for parameter in moving}
    if "slope" in kinds and len(set(fitted)) < 2:
        raise ConfigError(
            "refit.parameters: 'slope' needs two fitted compositions or more; for one, name the others alone, "
            "as in refit.parameters=[A_BO]"
        )


def check_quenches(estimator: str, moving: int, quenches: int) -> None:
    """`ConfigError` for a regression over so few quenches that its slopes and their errors are noise: opposite pairs
    span half as many directions as there are quenches, and their mean takes one more pair."""
    directions = {"implicit": 0, "hybrid": min(moving, DIRECTIONS)}.get(estimator, moving)
    if quenches < 2 * directions + 2:
        raise ConfigError(
            f"refit.topology_quenches = {quenches}: must be {2 * directions + 2} or more for the {directions} "
            f"directions that refit.estimator={estimator} asks for"
        )


_PLAIN = (
    *("estimator", "optimiser", "learning_rate", "seeds", "outer_steps", "inner_steps", "resting"),
    *("topology_quenches", "topology_every", "jitter", "profiles", "radius", "sigma", "density_sd"),
)


def _listed(entries: Any) -> Sequence[Any]:
    if not isinstance(entries, (list, tuple)):
        raise ConfigError("refit.targets: must be a list of glasses, each {file, density, li2o}")
    return entries


def _target(entry: Any, k: int, quantity: str, length: str, b2o3_share: float) -> MeasuredTarget:
    where = f"refit.targets[{k}]"
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where}: must be a mapping with file, density and li2o")
    unknown = [str(key) for key in entry if key not in TARGET_KEYS]
    missing = [key for key in ("file", "density", "li2o") if entry.get(key) is None]
    if unknown or missing:
        said = [f"unknown {', '.join(unknown)}"] if unknown else []
        raise ConfigError(f"{where}: " + "; ".join(said + [f"{key} is missing" for key in missing]))
    for key, rule in ENTRIES.items():
        reason = RULES[rule].problem(entry[key]) if entry.get(key) is not None else ""
        if reason:
            raise ConfigError(f"{where}.{key} = {entry[key]!r}: {reason}")
    if not isinstance(entry.get("hold_out", False), bool):
        raise ConfigError(f"{where}.hold_out = {entry['hold_out']!r}: must be true or false")
    curve = read_curve(Path(str(entry["file"])), quantity, length)
    return MeasuredTarget(
        label(float(entry["li2o"]), b2o3_share),
        curve,
        float(entry["li2o"]),
        float(entry["density"]),
        _number(entry.get("bulk_modulus")),
        _number(entry.get("shear_modulus")),
        entry.get("hold_out", False),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
