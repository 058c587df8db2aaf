"""task=ensemble: compositions x seeds melted and quenched as one compiled program, one run directory per glass."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from jaxglass.catalogue import check_analyses
from jaxglass.config import Config
from jaxglass.errors import JaxglassError, Preempted
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.files import read_json
from jaxglass.study import check_one_glass, run_study


def run_ensemble(config: Config, path: Path, config_yaml: str) -> None:
    """Make all glasses together, then let every run directory finish its other stages like a single run.

    A glass that fails is reported and does not stop the others; its error is raised at the end. The same command
    continues an interrupted ensemble.
    """
    from jaxglass.model.composition import common_size

    check_analyses(config)
    check_one_glass(config)
    lithium = [float(x) for x in config.listed("glass.li2o")]
    lanes = config.lanes(common_size(lithium, int(config.get("glass.n_atoms")), float(config.get("glass.b2o3_share"))))
    failed: dict[str, JaxglassError] = {}
    with RunDirectory(path) as directory:
        directory.claim(config.hash, config_yaml)
        directory.set_status(state="running", lanes=[lane.name for lane in lanes], error=None)
        try:
            if "melt_quench" in config.stages:
                failed = _melt_and_quench(lanes, path)
            for lane in lanes:
                if lane.name not in failed and (error := _measure(lane, path / lane.name)):
                    failed[lane.name] = error
        except JaxglassError as error:
            directory.set_status(state="preempted" if isinstance(error, Preempted) else "failed", error=str(error))
            raise
        found = [_summary(lane, path / lane.name) for lane in lanes]
        directory.add_results(lanes=found)
        reasons = [f"{name}: {error}" for name, error in failed.items()]
        directory.set_status(state="failed" if failed else "done", error="; ".join(reasons) or None)
    for summary in found:
        print(_line(summary))
    if failed:
        first = next(iter(failed.values()))
        raise type(first)(f"{len(failed)} of {len(lanes)} glasses failed; {reasons[0]}")


def _melt_and_quench(lanes: Sequence[Config], path: Path) -> dict[str, JaxglassError]:
    """The stage melt_quench of every lane that has not finished it; errors of those that failed, by name."""
    from contextlib import ExitStack

    from jaxglass.runtime import available_cores, configure

    first = lanes[0]
    configure(first.get("engine.device"), first.get("engine.cores") or available_cores())
    from jaxglass.recipe import make_recipe, record_glass
    from jaxglass.simulation.run import run_lanes

    with ExitStack() as stack:
        directories = [stack.enter_context(RunDirectory(path / lane.name)) for lane in lanes]
        for lane, directory in zip(lanes, directories, strict=True):
            directory.claim(lane.hash, _yaml(lane))
        open_ones = [d for d in directories if "melt_quench" not in d.status["finished"]]
        configs = [lane for lane, d in zip(lanes, directories, strict=True) if d in open_ones]
        if not open_ones:
            return {}
        recipes = [make_recipe(lane, shards=1) for lane in configs]
        runs = [recipe.lane(directory) for recipe, directory in zip(recipes, open_ones, strict=True)]
        for directory in open_ones:
            directory.set_status(state="running", stage="melt_quench", error=None)
        try:
            run_lanes(runs)
        except Preempted as stopped:
            for directory in open_ones:
                directory.set_status(state="preempted", error=str(stopped))
            raise
        failed: dict[str, JaxglassError] = {}
        for lane, recipe, run, directory in zip(configs, recipes, runs, open_ones, strict=True):
            if run.error:
                directory.set_status(state="failed", error=str(run.error))
                failed[lane.name] = run.error
            else:
                record_glass(recipe, directory, run.finished())
                directory.set_status(finished=["melt_quench"], stage=None)
    return failed


def _measure(lane: Config, path: Path) -> JaxglassError | None:
    """The other stages of a glass; the error of one that failed, which its directory has, too."""
    try:
        run_study(lane, path, _yaml(lane))
    except Preempted:
        raise
    except JaxglassError as error:
        return error
    return None


def _yaml(lane: Config) -> str:
    return yaml.safe_dump(dict(lane.values), sort_keys=False)


def _summary(lane: Config, path: Path) -> dict[str, Any]:
    """Settings, state and density of one glass."""
    results, status = (read_json(path / name) or {} for name in ("results.json", "status.json"))
    return {
        "directory": lane.name,
        "li2o": lane.get("glass.li2o"),
        "seed": lane.get("seed"),
        "state": status["state"],
        "error": status.get("error"),
        "density": results.get("melt_quench", {}).get("density"),
    }


def _line(found: dict[str, Any]) -> str:
    density = found["density"]
    measured = f"{density['value']:.3f} g/cm3" if density else found["error"] or ""
    return f"{found['state']:<9} {found['directory']}  {measured}"
