"""What a finished run left in its directory, read for the report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from jaxglass.analysis.bonds import CUTOFFS
from jaxglass.errors import InputDataError
from jaxglass.model.trajectory import Trajectory
from jaxglass.report.thermo import ThermoHistory, read_thermo
from jaxglass.structures import read_frame
from jaxglass.trajectories import read_trajectory

STRAIN_STEPS = "fracture/steps.extxyz.gz"
STRUCTURES = ("glass.extxyz", "structure.extxyz")  # made here, or the last frame of a file that was analysed


@dataclass(frozen=True)
class RunRecord:
    """What the files of a run hold; what is missing is empty or None.

    `results` of results.json, the last `frame`, and the steps of a fracture, `strained`.
    """

    results: Mapping
    config: Mapping
    manifest: Mapping
    thermo: ThermoHistory | None
    frame: Trajectory | None = None
    strained: Trajectory | None = None

    @property
    def glass(self) -> Mapping:
        """Composition, atoms and A_BO."""
        return self.results.get("glass") or {}

    @property
    def input(self) -> Mapping:
        """The file that was analysed; empty where the atoms were made here."""
        return self.results.get("input") or {}

    @property
    def structure(self) -> Mapping:
        """The structure stage."""
        return self.results.get("structure") or {}

    @property
    def rings(self) -> Mapping:
        """Rings of formers."""
        return self.results.get("rings") or {}

    @property
    def topology(self) -> Mapping:
        """Loops by persistent homology."""
        return self.results.get("topology") or {}

    @property
    def elastic(self) -> Mapping:
        """Elastic constants."""
        return self.results.get("elastic") or {}

    @property
    def fracture(self) -> Mapping:
        """The fracture of a notched supercell."""
        return self.results.get("fracture") or {}

    @property
    def bond_switching(self) -> Mapping:
        """What became of the bonds."""
        return self.results.get("bond_switching") or {}

    @property
    def diffusion(self) -> Mapping:
        """Motion of lithium."""
        return self.results.get("diffusion") or {}

    def strain(self, frames: int | None) -> np.ndarray | None:
        """Strains of the fracture (F,), if it has so many `frames`."""
        found = ((self.fracture.get("stress_strain") or {}).get("strain") or {}).get("values")
        return np.array(found) if found and len(found) == frames else None

    @property
    def cutoffs(self) -> dict[str, float]:
        """Bond cutoffs (A) of the structure stage, or else the paper's."""
        return {pair: entry["value"] for pair, entry in (self.structure.get("cutoffs") or {}).items()} or dict(CUTOFFS)

    @property
    def melt_quench(self) -> Mapping:
        """The melt-quench stage."""
        return self.results.get("melt_quench") or {}

    @property
    def provenance(self) -> Mapping:
        """Seed, versions and engine plan, the manifest filling what results.json leaves out."""
        return {**self.manifest, **(self.results.get("provenance") or {})}

    @property
    def density(self) -> Mapping | None:
        """The density entry of the structure stage, or else of the melt-quench stage."""
        for stage in (self.structure, self.melt_quench):
            if (stage.get("density") or {}).get("value") is not None:
                return stage["density"]
        return None

    @property
    def li2o(self) -> float | None:
        """mol % Li2O of a glass on the line B/P = 1; None for any other glass."""
        counts = self.glass.get("counts") or {}
        boron, phosphorus = counts.get("B", 0), counts.get("P", 0)
        if counts and (boron == 0 or abs(boron - phosphorus) > 0.01 * boron):
            return None
        return self.glass.get("li2o")


def read_run(run_dir: Path) -> RunRecord:
    """Read a run directory; only results.json must be there."""
    results = _json(run_dir / "results.json")
    if results is None:
        raise InputDataError(f"{run_dir.name}: no results.json; run at least one stage before the report")
    config_file = run_dir / "config.yaml"
    config = (yaml.safe_load(config_file.read_text(encoding="utf-8")) if config_file.exists() else None) or {}
    used, potential = run_dir / "potential.yaml", config.get("potential") or {}
    if potential.get("file") and used.exists():  # its keys were used in place of the settings'
        config["potential"] = potential | yaml.safe_load(used.read_text(encoding="utf-8"))
    frames = (run_dir / name for name in STRUCTURES)
    steps = run_dir / STRAIN_STEPS
    return RunRecord(
        results,
        config,
        _json(run_dir / "manifest.json") or {},
        read_thermo(run_dir / "thermo.csv"),
        next((read_frame(path) for path in frames if path.exists()), None),
        read_trajectory(steps) if steps.exists() else None,
    )


def _json(path: Path) -> dict | None:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputDataError(f"{path.name}, line {error.lineno}: not JSON ({error.msg})") from None
