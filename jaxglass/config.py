"""Settings, checked once at the door: every problem at once, in one line, before anything is compiled."""

import difflib
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jaxglass
from jaxglass.errors import ConfigError
from jaxglass.model.composition import label

STAGES = ("melt_quench", "structure", "topology", "elastic", "fracture", "bond_switching", "diffusion", "report")
DEFAULT_STAGES = ("melt_quench", "structure", "topology", "elastic", "report")
SWEPT_TASKS = ("study", "ensemble", "evaluate", "analyse", "refit", "benchmark")
TASKS = (*SWEPT_TASKS, "measured", "doctor", "validate_config", "sweep_status", "sweep_report")
CUTOFF_STYLES = ("truncated", "c2")
LANES = ("glass.li2o", "seed")  # keys that task=ensemble takes lists of
SLICE = re.compile(r"-?\d*:(-?\d+)?(:0*[1-9]\d*)?")
LISTS = {"floats": "numbers", "ints": "whole numbers", "strs": "text"}
FORBIDDEN = ("_target_", "_partial_", "_recursive_", "_convert_", "_args_")


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
        each = replace(self, kind=self.kind.removesuffix("s"), optional=False)
        return next((f"every entry {problem}" for entry in value if (problem := each.problem(entry))), "")


def _positive(high: float, kind: str = "float") -> Rule:
    return Rule(kind, 0.0, high, open_low=True)


RULES: dict[str, Rule] = {
    "task": Rule("str", choices=TASKS),
    "seed": Rule("int", 0, 2**32 - 1),
    "input": Rule("str", optional=True),
    "debug": Rule("bool"),
    "max_walltime": replace(_positive(1e5), optional=True),
    "sweep.cores_per_job": Rule("int", 1, 1024, optional=True),
    "sweep.gpus_per_job": Rule("int", 1, 64, optional=True),
    "sweep.max_attempts": Rule("int", 1, 1000, optional=True),
    "glass.li2o": Rule("float", 0, 99),
    "glass.b2o3_share": Rule("float", 0, 1),
    "glass.n_atoms": Rule("int", 8, 10_000_000),
    "engine.precision": Rule("str", choices=("mixed", "float64")),
    "engine.coulomb_accuracy": Rule("float", 1e-9, 1e-2),
    "engine.coulomb_cutoff": Rule("float", 2.5, 30.0, optional=True),
    "engine.device": Rule("str", choices=("auto", "cpu", "gpu")),
    "engine.cores": Rule("int", 1, 64, optional=True),
    "engine.allow_background": Rule("bool"),
    "protocol.start_density": Rule("float", 0.5, 6.0),
    "protocol.melt_temperature": _positive(20000.0),
    "protocol.final_temperature": _positive(20000.0),
    "protocol.melt_ps": _positive(1e6),
    "protocol.quench_rate": _positive(1e5),
    "protocol.relax_nvt_ps": _positive(1e6),
    "protocol.relax_npt_ps": _positive(1e6),
    "protocol.pressure": Rule("float", -20.0, 100.0),
    "protocol.coupling": Rule("str", choices=("isotropic", "orthorhombic")),
    "protocol.timestep_fs": _positive(5.0),
    "protocol.thermostat_ps": _positive(100.0),
    "protocol.barostat_ps": _positive(100.0),
    "elastic.strain_step": _positive(0.01),
    "elastic.strain_steps": Rule("int", 2, 999),
    "elastic.temperature": _positive(5000.0),
    "elastic.equilibrate_ps": _positive(1e5),
    "elastic.relax_ps": _positive(1e5),
    "elastic.average_ps": _positive(1e5),
    "elastic.timestep_fs": _positive(5.0),
    "elastic.thermostat_ps": _positive(100.0),
    "fracture.axis": Rule("str", choices=("x", "y", "z")),
    "fracture.supercell": Rule("ints", 1, 100),
    "fracture.notch_width": _positive(0.9),
    "fracture.notch_height": _positive(1.0),
    "fracture.strain_step": _positive(0.2),
    "fracture.largest_strain": _positive(5.0),
    "fracture.temperature": _positive(5000.0),
    "fracture.relax_npt_ps": _positive(1e6),
    "fracture.relax_nvt_ps": _positive(1e6),
    "fracture.relax_ps": _positive(1e5),
    "fracture.average_ps": _positive(1e5),
    "fracture.coupling": Rule("str", choices=("isotropic", "orthorhombic")),
    "fracture.minimise_steps": Rule("int", 1, 1_000_000),
    "fracture.minimise_force": _positive(100.0),
    "fracture.timestep_fs": _positive(5.0),
    "fracture.thermostat_ps": _positive(100.0),
    "fracture.barostat_ps": _positive(100.0),
    "diffusion.temperatures": Rule("floats", 1.0, 5000.0),
    "diffusion.equilibrate_ps": _positive(1e6),
    "diffusion.chunk_ps": _positive(1e6),
    "diffusion.longest_ps": _positive(1e6),
    "diffusion.relative_error": _positive(10.0),
    "diffusion.frame_ps": _positive(1000.0),
    "diffusion.timestep_fs": _positive(5.0),
    "diffusion.thermostat_ps": _positive(100.0),
    "diffusion.smallest_slope": _positive(1.0),
    "diffusion.hop_distance": _positive(10.0),
    "diffusion.hop_ps": _positive(1000.0),
    "diffusion.ring_reach": _positive(10.0),
    "structure.cutoffs": Rule("map"),
    "structure.r_max": _positive(50.0),
    "scattering.radiation": Rule("str", choices=("xray", "neutron")),
    "scattering.scatterers": Rule("map", optional=True),
    "scattering.fz_norm": Rule("str", choices=("f_avg_sq", "f_sq_avg")),
    "scattering.q_min": Rule("float", 0.0, 10.0),
    "scattering.q_max": Rule("float", 1.0, 100.0),
    "scattering.dq": Rule("float", 0.001, 0.1),
    "scattering.q_window": Rule("str", choices=("none", "lorch", "revised_lorch")),
    "scattering.lorch_delta": replace(_positive(1.0), optional=True),
    "scattering.lorch_delta0": Rule("float", 0.001, 1.0),
    "scattering.lorch_beta": Rule("float", 0.0, 2.0),
    "scattering.r_window": Rule("str", choices=("none", "lorch")),
    "scattering.g_max": Rule("float", 2.0, 100.0),
    "scattering.g_width": Rule("float", 0.001, 0.1),
    "scattering.r_max": Rule("float", 1.0, 100.0),
    "scattering.dr": Rule("float", 0.001, 0.5),
    "scattering.chi_min": Rule("float", 0.0, 50.0),
    "scattering.chi_max": Rule("float", 0.1, 100.0),
    "scattering.measured.file": Rule("str", optional=True),
    "scattering.measured.quantity": Rule("str", choices=("S_q", "D_r", "T_r"), optional=True),
    "scattering.measured.length": Rule("str", choices=("Angstrom", "nm")),
    "scattering.measured.density": Rule("float", 0.1, 30.0, optional=True),
    "rings.criterion": Rule("str", choices=("guttman", "king")),
    "rings.max_size": Rule("int", 2, 100),
    "rings.cutoffs": Rule("map"),
    "topology.frames": Rule("int", 1, 1_000_000),
    "topology.mode": Rule("str", choices=("periodic", "plain")),
    "topology.margin": _positive(50.0),
    "topology.alpha_max": replace(_positive(1e4), optional=True),
    "bond_switching.reference": Rule("str", choices=("first", "last")),
    "bond_switching.cutoffs": Rule("map"),
    "analyse.species": Rule("strs", optional=True),
    "analyse.frames": Rule("slice"),
    "analyse.timestep_fs": replace(_positive(1000.0), optional=True),
    "analyse.temperature": replace(_positive(20000.0), optional=True),
    "evaluate.coulomb": Rule("str", choices=("ewald", "mesh")),
    "refit.target": Rule("str", optional=True),
    "refit.kind": Rule("str", choices=("xray", "neutron"), optional=True),
    "refit.quantity": Rule("str", choices=("S_q", "D_r", "T_r"), optional=True),
    "refit.length": Rule("str", choices=("Angstrom", "nm")),
    "refit.density": Rule("float", 0.1, 30.0, optional=True),
    "refit.bulk_modulus": replace(_positive(1000.0), optional=True),
    "refit.shear_modulus": replace(_positive(1000.0), optional=True),
    "refit.parameters": Rule("strs"),
    "refit.priors": Rule("map", optional=True),
    "refit.estimator": Rule("str", choices=("hybrid", "implicit", "ensemble")),
    "refit.optimiser": Rule("str", choices=("lm", "adam", "lbfgs")),
    "refit.learning_rate": _positive(10.0),
    "refit.seeds": Rule("int", 1, 1000),
    "refit.outer_steps": Rule("int", 1, 1000),
    "refit.inner_steps": Rule("int", 1, 1000),
    "refit.resting": Rule("int", 1, 1000),
    "refit.topology_quenches": Rule("int", 4, 10_000),
    "refit.topology_every": Rule("int", 1, 1000),
    "refit.profiles": Rule("int", 0, 20),
    "refit.jitter": _positive(10.0),
    "refit.radius": _positive(100.0),
    "refit.sigma": _positive(1.0),
    "refit.density_sd": _positive(1.0),
    "refit.filtered": Rule("bool"),
    "benchmark.atoms": Rule("ints", 600, 1_000_000),
    "benchmark.cores": Rule("ints", 1, 64),
    "benchmark.repeats": Rule("int", 1, 1000),
    "benchmark.steps": Rule("int", 1, 100_000),
    "benchmark.growth": Rule("ints", 600, 1_000_000, optional=True),
    "potential.charges": Rule("map"),
    "potential.buckingham": Rule("map"),
    "potential.n4": Rule("float", 0.0, 1.0, optional=True),
    "potential.a_bo_offset": Rule("float", -1.0, 1.0),
    "potential.a_bo_slope": Rule("float", -1.0, 1.0),
    "potential.cutoff": _positive(30.0),
    "potential.cutoff_style": Rule("str", choices=CUTOFF_STYLES),
    "potential.switch_width": _positive(30.0),
    "potential.constants": Rule("str", choices=("codata", "lammps_metal")),
    "potential.file": Rule("str", optional=True),
}
FREE_FORM = (  # maps checked by their owners
    "potential.charges",
    "potential.buckingham",
    "structure.cutoffs",
    "rings.cutoffs",
    "bond_switching.cutoffs",
    "scattering.scatterers",
    "refit.priors",
    "refit.targets",
)
CUTOFFS = ("structure.cutoffs", "rings.cutoffs", "bond_switching.cutoffs")
SPECIAL = ("stages", "potential.a_bo", "refit.targets")
ANALYSES = (
    "structure",
    "scattering",
    "rings",
    "topology",
    "bond_switching",
    "diffusion",
)  # settings of what is measured
PHYSICS = ("seed", "glass", "engine", "protocol", "potential", "elastic", "fracture", *ANALYSES)
MEASURED = ("input", "analyse", *ANALYSES)  # what decides the results of task=analyse
EVALUATED = ("input", "evaluate", "engine", "potential")  # and of task=evaluate
FITTED = ("seed", "glass", "engine", "protocol", "potential", "structure", "scattering", "refit")
DECISIVE = {"analyse": MEASURED, "evaluate": EVALUATED, "measured": ("input",), "refit": FITTED}
HARDWARE = ("device", "cores")  # engine keys that say where to run, not what
LOOSE = ("potential.source", "potential.note", "potential.name", "scale")


@dataclass(frozen=True)
class Config:
    """Checked settings: plain nested values, the stages to run, and the hash of all that decides the physics."""

    values: Mapping[str, Any]
    stages: tuple[str, ...]

    def get(self, key: str) -> Any:
        """Value of a dotted key."""
        node: Any = self.values
        for part in key.split("."):
            node = node[part]
        return node

    @property
    def hash(self) -> str:
        """Hash of every setting that changes the physics; names a run and guards its directory."""
        decisive = DECISIVE.get(self.get("task"), PHYSICS)
        chosen = {key: self.values[key] for key in decisive}
        if self.get("input"):
            chosen["input"] = self.get("input")
        if "engine" in chosen:
            chosen["engine"] = {key: value for key, value in chosen["engine"].items() if key not in HARDWARE}
        return _hash(chosen)

    @property
    def name(self) -> str:
        """Name of the default run directory: what it is, and the hash of its settings."""
        task, li2o, seed = self.get("task"), self.get("glass.li2o"), self.get("seed")
        if task in ("ensemble", "refit"):
            return f"{task}-{self.hash}"
        if task in ("analyse", "evaluate", "measured", "study") and self.get("input"):
            file = re.sub(r"[^\w.-]", "_", Path(self.get("input")).name)
            return f"{task}-{file}-{self.hash}"
        glass = label(li2o, self.get("glass.b2o3_share")) if task == "study" else ""
        return f"{glass}-{self.get('glass.n_atoms')}-seed{seed}-{self.hash}" if glass else task

    def listed(self, key: str) -> list[Any]:
        """Values of a key that may hold a list."""
        value = self.get(key)
        return list(value) if isinstance(value, (list, tuple)) else [value]

    def lanes(self, n_atoms: int) -> list["Config"]:
        """One study of `n_atoms` per composition and seed of an ensemble."""
        compositions, seeds = self.listed("glass.li2o"), self.listed("seed")
        return [
            Config(
                {
                    **self.values,
                    "task": "study",
                    "seed": seed,
                    "glass": {**self.get("glass"), "li2o": x, "n_atoms": n_atoms},
                },
                self.stages,
            )
            for x in compositions
            for seed in seeds
        ]


def _hash(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True, allow_nan=False).encode()).hexdigest()[:12]


def conf_folder() -> Path:
    """The configuration folder: inside an installed package, beside it in a checkout."""
    inside = Path(jaxglass.__file__).parent / "conf"
    return inside if inside.is_dir() else Path(jaxglass.__file__).parent.parent / "conf"


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
