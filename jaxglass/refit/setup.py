"""From settings to a `Problem`: the glasses to quench, how they are looked at, and what they are to show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optax

from jaxglass.catalogue import scattering_settings
from jaxglass.config import Config
from jaxglass.engine.plan import Plan, largest_reach, make_plan
from jaxglass.errors import ConfigError
from jaxglass.model.composition import common_size, compose, li2o_percent
from jaxglass.model.potential import Potential
from jaxglass.model.system import System
from jaxglass.parameters import check_neutral, li2o_of, load_parameters, with_file
from jaxglass.protocols.melt_quench import MeltQuench
from jaxglass.protocols.packing import random_packing
from jaxglass.refit.least_squares import levenberg_marquardt
from jaxglass.refit.measured import conventions, grid, make_target
from jaxglass.refit.observables import make_view
from jaxglass.refit.outer import Problem
from jaxglass.refit.parameters import Parameter
from jaxglass.refit.sampling import Quench, Start
from jaxglass.refit.settings import RefitSettings, refit_settings

SLACK = 0.95  # of half a cell at the measured density: cells fluctuate
REST_ACCURACY = 1e-6  # relative, of forces in glasses at rest
LIGHTER = 1.35  # volumes that a melt may reach, relative to the start


@dataclass(frozen=True)
class Prepared:
    """The problem, the settings it came from and those of the potential, its cutoff made smooth."""

    problem: Problem
    settings: RefitSettings
    potential: Mapping[str, Any]


def prepare(config: Config, folder: Path) -> Prepared:
    """Check everything that can be checked, then place the atoms.

    `ConfigError` or `InputDataError` for settings and files that do not make a fit.
    """
    glass = config.get("glass")
    settings = refit_settings(
        config.get("refit"), float(glass["li2o"]), float(glass["b2o3_share"]), config.get("input")
    )
    potential = {**with_file(config.get("potential")), "cutoff_style": "c2", "file": None}
    starts = _starts(config, settings, potential)
    check_parameters(settings.moving, starts[0].system.elements, potential)
    systems = {start.target: start.system for start in starts}
    potentials = {start.target: start.potential for start in starts}
    views, targets = {}, []
    end = min(_half_width(systems[t.name], t.density) for t in settings.targets) * SLACK
    for measured in settings.targets:
        system = systems[measured.name]
        seen = conventions(scattering_settings(config), settings.radiation, measured.curve)
        view = make_view(system.counts, seen, end, grid(seen, measured.curve, end))
        views[measured.name] = view
        symbols = np.array(system.symbols)
        if config.get("input"):
            measured = replace(measured, li2o=li2o_percent(system.counts) or np.nan)
        window = seen.r_window if config.get("refit.filtered") else None
        targets.append(make_target(measured, view, symbols, settings.sigma, settings.density_sd, window))
    protocol = MeltQuench(**config.get("protocol"))
    first = settings.targets[0].name
    boron_cutoff = float(config.get("structure.cutoffs").get("B-O", 1.8))
    quench = Quench(
        tuple(protocol.stages()),
        _plan(config, systems[first], potentials[first]),
        views,
        settings.quantity,
        boron_cutoff,
    )
    rest = replace(_plan(config, systems[first], potentials[first], REST_ACCURACY), precision="float64", shards=1)
    problem = Problem(
        moving=settings.moving,
        targets=tuple(targets),
        starts=starts,
        quench=quench,
        rest_plan=rest,
        optimiser=optimiser(settings.optimiser, settings.radius, settings.learning_rate),
        folder=folder,
        **{key: getattr(settings, key) for key in _COPIED},
    )
    return Prepared(problem, settings, potential)


def counts_of(config: Config, li2o: float) -> Mapping[str, int]:
    """Atoms of a glass that is fitted, from the file that `input` names or from its composition."""
    if config.get("input"):
        from jaxglass.mechanics.glass import glass_from

        return glass_from(config, Path(config.get("input"))).system.counts
    return compose(li2o, int(config.get("glass.n_atoms")), float(config.get("glass.b2o3_share"))).counts


def check_parameters(moving: Sequence[Parameter], elements: Sequence[str], potential: Mapping[str, Any]) -> None:
    """`ConfigError` for a parameter of a pair that the glass does not have, or of a law that is not in force."""
    problems = []
    for parameter in moving:
        pair = parameter.pair or ("" if parameter.kind == "charges" else "B-O")
        if pair and not set(pair.split("-")) <= set(elements):
            problems.append(f"'{parameter.name}' moves {pair}, which a glass of {', '.join(elements)} does not have")
        elif parameter.kind == "slope" and potential["buckingham"]["B-O"].get("A") is not None:
            problems.append("'slope' belongs to the law of A_BO, but B-O has a number for A")
        elif parameter.pair and not _strength(potential, parameter):
            problems.append(f"'{parameter.name}' multiplies a number that is 0 in this potential, so nothing moves")
    if problems:
        raise ConfigError("refit.parameters: " + "; ".join(problems))


def _strength(potential: Mapping[str, Any], parameter: Parameter) -> float:
    """The number that a V, rho or C multiplies."""
    entry = potential["buckingham"].get(parameter.pair) or {}
    number = entry.get({"V": "A", "rho": "rho", "C": "C"}[parameter.kind])
    return 1.0 if number is None else float(number)  # A of B-O is null where the law gives it


_COPIED = ("estimator", "outer_steps", "inner_steps", "resting", "topology_quenches", "topology_every", "jitter")


def optimiser(name: str, radius: float, learning_rate: float) -> optax.GradientTransformationExtraArgs:
    """lm with its first trust `radius`, lbfgs with steps no longer than it, adam with a `learning_rate`: all in widths
    of the priors."""
    if name == "lm":
        return levenberg_marquardt(radius)
    if name == "adam":
        return optax.with_extra_args_support(optax.adam(learning_rate))
    steps = optax.scale_by_lbfgs(), optax.scale(-1.0), optax.clip_by_global_norm(radius)
    return optax.with_extra_args_support(optax.chain(*steps))


def _starts(config: Config, settings: RefitSettings, potential: Mapping[str, Any]) -> tuple[Start, ...]:
    """Every seed of every composition: placed at random, or the atoms of the file that `input` names."""
    seed, density = int(config.get("seed")), float(config.get("protocol.start_density"))
    found = []
    if config.get("input"):
        from jaxglass.mechanics.glass import glass_from

        glass = glass_from(config, Path(config.get("input")))
        start = load_parameters(potential, glass.system.elements, glass.system.counts).potential
        li2o = li2o_of(glass.system.counts)
        name = settings.targets[0].name
        return tuple(Start(name, li2o, seed + k, glass.system, start) for k in range(settings.seeds))
    share = float(config.get("glass.b2o3_share"))
    size = common_size([t.li2o for t in settings.targets], int(config.get("glass.n_atoms")), share)
    for target in settings.targets:
        composition = compose(target.li2o, size, share)
        for k in range(settings.seeds):
            system = random_packing(composition, density, seed + k)
            start = load_parameters(potential, system.elements, system.counts).potential
            check_neutral(start, np.asarray(system.species), config.get("engine.allow_background"))
            found.append(Start(target.name, composition.li2o, seed + k, system, start))
    return tuple(found)


def _half_width(system: System, density: float) -> float:
    """Half the smallest width (A) of the cell when it has `density` (g/cm3)."""
    return largest_reach(np.asarray(system.cell)) * (float(system.density) / density) ** (1 / 3)


def _plan(config: Config, system: System, potential: Potential, accuracy: float | None = None) -> Plan:
    """The engine's plan: as the settings say, or with another `accuracy`."""
    engine = config.get("engine")
    return make_plan(
        np.asarray(system.cell),
        np.asarray(potential.charges)[np.asarray(system.species)],
        potential.cutoff,
        accuracy or float(engine["coulomb_accuracy"]),
        "float64" if accuracy else engine["precision"],
        engine["coulomb_cutoff"],
        LIGHTER,
        1,
    )
