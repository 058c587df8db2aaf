"""Comparisons that take hours: run at level full, shown at the others as they were last kept, with their date."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from validation import drift, lammps_diffusion, mechanics_lammps, melt_quench
from validation.bench import Bench
from validation.verdict import Check, Finding, Mean, means_agree, unlike

FOLDER = Path(__file__).parent


def kept_mechanics(name: str) -> Finding:
    """One comparison of `mechanics_lammps.json`."""
    found = _read("mechanics_lammps.json").get(name)
    return mechanics_lammps.judged(name, found) if found else unlike(f"{name}: no result kept yet; level=full makes it")


def run_mechanics(name: str) -> Callable[[Bench], Finding]:
    """Run or continue one comparison of `mechanics_lammps`, beside the cache."""

    def run(bench: Bench) -> Finding:
        folder = bench.cache.directory(f"mechanics-{name}", {"lammps": bench.cache.by.version})
        return mechanics_lammps.judged(name, mechanics_lammps.COMPARISONS[name](folder))

    return run


def kept_melt_quench() -> Finding:
    """`melt_quench.json`."""
    found = melt_quench.kept()
    if not found:
        return unlike("no result kept yet; level=full makes it")
    return melt_quench.judged(melt_quench.Both(found["jaxglass"], found["lammps"]), found["date"])


def kept_diffusion() -> Finding:
    """`lammps_diffusion.json`."""
    found = _read("lammps_diffusion.json")
    return diffusion_finding(found) if found else unlike("no result kept yet; level=full makes it")


def diffusion_finding(found: Mapping[str, Any]) -> Finding:
    """From what `lammps_diffusion` keeps: D of both programs."""
    ours, theirs = (Mean(found[side]["value"], found[side]["error"]) for side in ("jaxglass", "lammps"))
    relative = max(mean.error / mean.value for mean in (ours, theirs))
    checks = (
        means_agree("D of Li", "cm2/s", ours, theirs),
        Check("larger error", relative, lammps_diffusion.LARGEST_ERROR, "relative"),
    )
    return Finding(checks, kept=found.get("date", ""))


def run_diffusion(bench: Bench) -> Finding:
    """Run or continue both, beside the cache."""
    folder, name, temperature, length = lammps_diffusion.DEFAULTS
    folder = bench.cache.directory("diffusion", {"lammps": bench.cache.by.version})
    found = lammps_diffusion.compare(folder.resolve(), name, float(temperature), float(length))
    return diffusion_finding(asdict(found))


def kept_drift() -> Finding:
    """`drift.json`."""
    found = _read("drift.json")
    if not found:
        return unlike("no result kept yet; level=full makes it")
    cases = [
        drift.Case(case["temperature_K"], drift.Drift(**case["jaxglass"]), drift.Drift(**case["lammps"]))
        for case in found["cases"]
    ]
    return Finding(tuple(map(_drift_check, cases)), kept=found["date"])


def run_drift(bench: Bench) -> Finding:
    """All temperatures of `validation.drift`."""
    folder = bench.cache.directory("drift", {"lammps": bench.cache.by.version})
    return Finding(tuple(_drift_check(drift.compare(kelvin, folder)) for kelvin in drift.TEMPERATURES_K))


def _drift_check(case: drift.Case) -> Check:
    error = (case.jaxglass.error**2 + case.lammps.error**2) ** 0.5
    words = f"jaxglass {case.jaxglass.slope:.2g}, LAMMPS {case.lammps.slope:.2g}"
    name = f"drift at {case.temperature_K:g} K"
    return Check(name, abs(case.jaxglass.slope), abs(case.lammps.slope) + error, "meV/atom/ns", words)


def _read(name: str) -> dict[str, Any]:
    path = FOLDER / name
    return json.loads(path.read_text()) if path.exists() else {}
