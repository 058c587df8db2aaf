"""What a finished run left in its directory, read for the report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from jaxglass.analysis.bonds import CUTOFFS
from jaxglass.errors import InputDataError
from jaxglass.model.trajectory import Trajectory
from jaxglass.report.thermo import ThermoHistory, read_thermo
from jaxglass.structures import read_frame

STRUCTURES = ("glass.extxyz", "structure.extxyz")  # made here, or the last frame of a file that was analysed


@dataclass(frozen=True)
class RunRecord:
    """results.json, config.yaml, manifest.json, thermo.csv and the last `frame`; what is missing is empty or None."""

    results: Mapping
    config: Mapping
    manifest: Mapping
    thermo: ThermoHistory | None
    frame: Trajectory | None = None

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
    config = yaml.safe_load(config_file.read_text(encoding="utf-8")) if config_file.exists() else None
    frames = (run_dir / name for name in STRUCTURES)
    return RunRecord(
        results,
        config or {},
        _json(run_dir / "manifest.json") or {},
        read_thermo(run_dir / "thermo.csv"),
        next((read_frame(path) for path in frames if path.exists()), None),
    )


def _json(path: Path) -> dict | None:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputDataError(f"{path.name}, line {error.lineno}: not JSON ({error.msg})") from None
