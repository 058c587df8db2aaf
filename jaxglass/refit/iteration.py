"""The rounds of a refit as they are kept: what fresh glasses of a trial potential showed, and what was to follow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxglass.analysis.results.entries import finite
from jaxglass.refit.basin import Shown, mean_of
from jaxglass.refit.sampling import Sample
from jaxglass.refit.target import Target
from jaxglass.simulation.files import read_json, write_json


@dataclass(frozen=True)
class Fresh:
    """Fresh glasses of one target: the mean of what they show, its standard error over them, N4 and its error."""

    target: str
    shown: Shown
    error: Shown
    n4: float
    n4_error: float
    glasses: int


@dataclass(frozen=True)
class Iteration:
    """One round: `z`, what fresh glasses of every target show, the `cost` of it with its `noise`, whether z was kept,
    the trust radius afterwards, and by how much the steps from there were to lower the cost (`promise`).

    Where too few glasses could be made, `fresh` is empty and the cost infinite.
    """

    number: int
    z: np.ndarray
    fresh: tuple[Fresh, ...]
    cost: float
    noise: float
    kept: bool
    radius: float
    promise: float = float("nan")

    def as_json(self) -> dict[str, Any]:
        """For the file of the iteration; what is not a number is null."""
        fresh = [
            {
                "target": one.target,
                "glasses": one.glasses,
                "n4": _numbers([one.n4, one.n4_error]),
                "curve": _numbers(one.shown.curve),
                "curve_error": _numbers(one.error.curve),
                "ln_density": _numbers([one.shown.ln_density, one.error.ln_density]),
            }
            for one in self.fresh
        ]
        numbers = {key: finite(getattr(self, key)) for key in ("cost", "noise", "radius", "promise")}
        return {"number": self.number, "kept": self.kept, **numbers, "z": self.z.tolist(), "fresh": fresh}


def _numbers(values) -> list[float | None]:
    return [finite(v) for v in np.asarray(values, float)]


def _array(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values])


def iteration_from(values: dict[str, Any]) -> Iteration:
    """The inverse of `Iteration.as_json`."""
    nan = np.asarray(np.nan)
    fresh = []
    for one in values["fresh"]:
        density, error = _array(one["ln_density"])
        shown = Shown(_array(one["curve"]), density, nan, nan)
        n4, n4_error = _array(one["n4"])
        errors = Shown(_array(one["curve_error"]), error, nan, nan)
        fresh.append(Fresh(one["target"], shown, errors, float(n4), float(n4_error), one["glasses"]))
    cost, noise, radius, promise = (
        float(v) for v in _array([values[k] for k in ("cost", "noise", "radius", "promise")])
    )
    cost = cost if fresh else np.inf
    return Iteration(
        values["number"], np.array(values["z"]), tuple(fresh), cost, noise, values["kept"], radius, promise
    )


def fresh_glasses(samples: Sequence[Sample], targets: Sequence[Target]) -> tuple[Fresh, ...]:
    """Means over the glasses of every target."""
    found = []
    for target in targets:
        mine = [sample for sample in samples if sample.start.target == target.name]
        shown = mean_of([s.shown for s in mine])
        count = len(mine)
        spread = jax.tree.map(lambda *parts: error_of_mean(np.array(parts)), *(s.shown for s in mine))
        n4 = np.array([s.n4 for s in mine])
        found.append(Fresh(target.name, shown, spread, float(n4.mean()), float(error_of_mean(n4)), count))
    return tuple(found)


def error_of_mean(values: np.ndarray) -> np.ndarray:
    """Standard error of the mean over the first axis; nan for one value."""
    return (
        np.std(values, axis=0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.full(values.shape[1:], np.nan)
    )


def best_of(done: Sequence[Iteration]) -> Iteration | None:
    """The kept iteration of lowest cost: what others are compared with."""
    return min((one for one in done if one.kept), key=lambda one: one.cost, default=None)


def last_kept(done: Sequence[Iteration]) -> Iteration:
    """The result of a fit: where its steps led. Among kept rounds the lowest cost is luck as much as merit, as they lie
    within an error of each other, and the last has learned from the glasses of all before it.

    The first iteration is always kept.
    """
    return [one for one in done if one.kept][-1]


def keep(folder: Path, iteration: Iteration, following: np.ndarray | None, topology: Mapping[str, Shown]) -> Iteration:
    """Write a round that has ended, the z that is to follow (None: nothing is) and the J_topo known by then."""
    path = folder / "iterations" / f"{iteration.number:03d}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    rest = {
        "next_z": None if following is None else following.tolist(),
        "topology": {
            name: {"curve": np.asarray(one.curve).tolist(), "ln_density": np.asarray(one.ln_density).tolist()}
            for name, one in topology.items()
        },
    }
    write_json(path, iteration.as_json() | rest)
    return iteration


def read_iterations(folder: Path) -> list[Iteration]:
    """Those that have ended, in order."""
    files = sorted((folder / "iterations").glob("*.json"))
    return [iteration_from(values) for values in map(read_json, files) if values is not None]


def continued(folder: Path, done: Sequence[Iteration], parameters: int) -> tuple[np.ndarray | None, dict[str, Shown]]:
    """Where the iteration after the last one is to be (None: it was the last) and the J_topo known by then."""
    zero = np.zeros(parameters)
    if not done:
        return zero, {}
    values = read_json(folder / "iterations" / f"{done[-1].number:03d}.json") or {}
    z = values.get("next_z")
    topology = {
        name: Shown(np.array(one["curve"]), np.array(one["ln_density"]), zero, zero)
        for name, one in values.get("topology", {}).items()
    }
    return None if z is None else np.array(z), topology
