"""Checked settings, and the hash of those that decide the physics."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jaxglass
from jaxglass.config.schema import RULES
from jaxglass.model.composition import label
from jaxglass.simulation.files import digest

# settings of what is measured
ANALYSES = ("structure", "scattering", "rings", "topology", "bond_switching", "diffusion")
PHYSICS = ("seed", "glass", "engine", "protocol", "potential", "elastic", "fracture", *ANALYSES)
MEASURED = ("input", "analyse", *ANALYSES)  # what decides the results of task=analyse
EVALUATED = ("input", "evaluate", "engine", "potential")  # and of task=evaluate
FITTED = ("seed", "glass", "engine", "protocol", "potential", "structure", "scattering", "refit")
DECISIVE = {"analyse": MEASURED, "evaluate": EVALUATED, "measured": ("input",), "refit": FITTED}
HARDWARE = ("device", "cores")  # engine keys that say where to run, not what
EFFORT = ("outer_steps",)  # refit keys that say how far to go on


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

    @cached_property
    def hash(self) -> str:
        """Hash of every setting that changes the physics, and of the files that these name (a trajectory to analyse is
        compared where it is read); names a run and guards its directory. Files count as they are when it is first
        asked for."""
        chosen = self._decisive()
        if self.get("input"):
            chosen["input"] = self.get("input")
            if self.get("analyse.species"):
                chosen["species"] = self.get("analyse.species")
        for section, idle in (("engine", HARDWARE), ("refit", EFFORT)):
            if section in chosen:
                chosen[section] = {key: value for key, value in chosen[section].items() if key not in idle}
        return _hash(_as_ruled(chosen | ({"contents": self.contents} if self.contents else {})))

    @cached_property
    def contents(self) -> list[str]:
        """SHA-256 of every file that the settings name."""
        return [found for path in self._files() if (found := _content(path))]

    def _decisive(self) -> dict[str, Any]:
        """The sections of the settings that decide what the task finds."""
        return {key: self.values[key] for key in DECISIVE.get(self.get("task"), PHYSICS)}

    def _files(self) -> Iterator[Any]:
        """What the settings that decide name as files, but for a trajectory to analyse."""
        chosen = self._decisive()
        if self.get("task") != "analyse":
            yield self.get("input")
        yield chosen.get("potential", {}).get("file")
        yield chosen.get("scattering", {}).get("measured", {}).get("file")
        refit = chosen.get("refit", {})
        yield refit.get("target")
        targets = refit.get("targets")
        for entry in targets if isinstance(targets, (list, tuple)) else ():
            yield entry.get("file") if isinstance(entry, Mapping) else None

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


def conf_folder() -> Path:
    """The configuration folder: inside an installed package, beside it in a checkout."""
    inside = Path(jaxglass.__file__).parent / "conf"
    return inside if inside.is_dir() else Path(jaxglass.__file__).parent.parent / "conf"


def _content(path: Any) -> str | None:
    """SHA-256 of a file; None for what cannot be read, which its reader will say."""
    if not isinstance(path, str):
        return None
    try:
        return digest(Path(path))
    except (OSError, ValueError):
        return None


def _as_ruled(node: Any, name: str = "") -> Any:
    """The settings with numbers as their rules have them: 38 is 38.0 where any number may stand."""
    if isinstance(node, Mapping):
        return {key: _as_ruled(value, f"{name}.{key}" if name else str(key)) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_as_ruled(value, name) for value in node]
    whole = isinstance(node, int) and not isinstance(node, bool)
    return float(node) if whole and name in RULES and RULES[name].kind in ("float", "floats") else node


def _hash(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True, allow_nan=False).encode()).hexdigest()[:12]
