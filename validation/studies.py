"""Studies of many glasses: every one in a process of its own on one core, one process per core."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date
from pathlib import Path
from queue import Queue
from typing import Any

from jaxglass.analysis.results.entries import finite
from jaxglass.analysis.trend import Trend
from jaxglass.config import Config, check_config, conf_folder
from jaxglass.manifest import versions
from jaxglass.runtime import core_numbers
from validation.library import Glass, glasses


def config_of(overrides: Sequence[str]) -> Config:
    """The checked settings that a command line with these `overrides` has."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(conf_folder()), version_base=None):
        values: Any = OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True)
    return check_config(values)


def seed_by_seed(seeds: Sequence[int]) -> list[Glass]:
    """Glasses of the library with these `seeds`, in an order in which an unfinished sweep has all compositions."""
    return sorted((glass for glass in glasses() if glass.seed in seeds), key=lambda glass: (glass.seed, glass.li2o))


def run_studies(some: Sequence[Glass], stages: Sequence[str], settings: Mapping[str, Any], folder: Path) -> None:
    """Run or continue `stages` of every glass in run directories named after them in `folder`."""
    changes = [f"{key}={value}" for key, value in settings.items()]
    common = [f"stages=[{','.join(stages)}]", *changes]
    run_jobs({glass.name: [f"input={glass.path}", f"seed={glass.seed}", *common] for glass in some}, folder)


def run_jobs(jobs: Mapping[str, Sequence[str]], folder: Path) -> None:
    """Run or continue a study for every name and its settings, in run directories of that name in `folder`."""
    cores: Queue[int] = Queue()
    for core in core_numbers():
        cores.put(core)
    folder.mkdir(parents=True, exist_ok=True)

    def study(name: str) -> None:
        core = cores.get()
        try:
            command = [sys.executable, "-m", "jaxglass", *jobs[name]]
            command += ["engine.cores=1", f"hydra.run.dir={folder / name}"]
            with (folder / f"{name}.log").open("a") as log:
                subprocess.run(["taskset", "-c", str(core), *command], check=True, stdout=log, stderr=log)
        finally:
            cores.put(core)

    with ThreadPoolExecutor(cores.qsize()) as pool:
        list(pool.map(study, jobs))


def results_of(name: str, folder: Path) -> dict[str, Any]:
    """results.json of the study `name`, empty where there is none yet."""
    path = folder / name / "results.json"
    return json.loads(path.read_text()) if path.exists() else {}


def kept_before(path: Path, settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What `record` wrote to `path` of every glass by name, if it was measured with the same `settings`: a study whose
    glasses take hours each can be made in parts."""
    own = ("name", "li2o", "seed")
    glasses = same_as_before(path, settings).get("glasses", ())
    return {one["name"]: {key: value for key, value in one.items() if key not in own} for one in glasses}


def same_as_before(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The whole of a kept result, if it was made with the same `settings`; else nothing."""
    about = json.loads(path.read_text()) if path.exists() else {}
    return about if about.get("settings") == json.loads(json.dumps(dict(settings))) else {}


def record(
    path: Path, settings: Mapping[str, Any], kept: Sequence[tuple[Glass, Mapping[str, Any]]], lines: Sequence[Trend]
) -> None:
    """Write what is `kept` of every glass and the trends to `path`, with settings, versions and date; these two stay
    where only the trends are new."""
    entries = [{"name": g.name, "li2o": g.li2o, "seed": g.seed, **entries} for g, entries in kept]
    before = same_as_before(path, settings)
    same = before if before.get("glasses") == entries else {}
    about = {
        "date": same.get("date", date.today().isoformat()),
        "versions": same.get("versions", versions()),
        "settings": dict(settings),
        "glasses": entries,
        "errors": "standard error over seeds; slopes per mol % Li2O over all glasses that have the quantity",
        "trends": [
            asdict(line) | {"error": [finite(error) for error in line.error], "found": line.found} for line in lines
        ],
    }
    path.write_text(json.dumps(about, indent=1, allow_nan=False) + "\n")


def print_trends(lines: Sequence[Trend]) -> None:
    """One line per quantity."""
    for line in lines:
        values = "  ".join(f"{m:.4g} +- {e:.2g}" for m, e in zip(line.mean, line.error, strict=True))
        slope = f"slope {line.slope:.3g} +- {line.slope_error:.2g}: {line.found} (paper: {line.paper})"
        print(f"{line.name:28} {values} {line.unit}   {slope}")
