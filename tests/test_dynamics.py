"""Equations of motion on a lithium oxide melt: conserved quantities, ensembles, minimisation.

Repulsions are steep and without r^-6 terms, so energies are smooth at the cutoff and drift measures the
integrator. It is small (216 atoms, cutoff 4.8 A), so thousands of steps take seconds. Seeds are fixed; limits in
units of the standard error.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from physical_validation import ensemble, kinetic_energy

from jaxglass import units
from jaxglass.analysis.statistics import standard_error
from jaxglass.dynamics.ensembles import Control
from jaxglass.dynamics.state import State, start
from jaxglass.engine.plan import WINDOW, make_plan
from jaxglass.model.potential import make_potential
from jaxglass.model.system import System, degrees_of_freedom, maxwell_boltzmann
from jaxglass.simulation.block import Samples, first_forces, run_block
from jaxglass.simulation.rhythm import choose, first_pace
from validation.ensembles import LITHIUM_OXIDE, Thermodynamic, packed_lithium_oxide, simulation_data

SIGMA = 4.0  # CI limit of every statistical check
HOT = 2000.0  # K: a liquid that forgets its start within a picosecond
PRESSURE = 0.6  # GPa
TAU = (0.1, 0.2)  # ps, thermostat and barostat


@pytest.fixture(scope="module")
def potential():
    return packed_lithium_oxide().potential


@pytest.fixture(scope="module")
def melt() -> System:
    """216 ions at random, overlaps removed."""
    return packed_lithium_oxide().system


def control(
    temperature: float = HOT,
    pressure_GPa: float = 0.0,
    timestep: float = 0.001,
    end: float | None = None,
    steps: int = 1,
) -> Control:
    values = (timestep, temperature, end or temperature, steps, pressure_GPa / units.GPA, *TAU)
    return Control(*(jnp.asarray(float(v)) for v in values))


class Runner:
    """Runs blocks of one ensemble after another on one plan, and insists that every list was valid."""

    def __init__(self, potential, system: System, precision: str = "mixed", accuracy: float = 1e-5):
        charges = np.asarray(potential.charges)[np.asarray(system.species)]
        self.potential = potential
        self.plan = make_plan(
            np.asarray(system.cell), charges, potential.cutoff, accuracy, precision, volume_margin=1.8
        )

    def first(self, system: System) -> State:
        return start(system)

    def run(
        self, ensemble: str, state: State, control: Control, samples: int, interval: int = 20
    ) -> tuple[State, Samples]:
        kept = []
        if int(state.step) < 0:
            state = first_forces(self.plan, ensemble, self.potential, control, state)
        while samples > 0:
            now = min(samples, 64)
            temperature = 5000.0 if ensemble == "minimise" else max(float(control.temperature_start), 300.0)
            rhythm = choose(
                self.plan, np.asarray(state.system.cell), first_pace(temperature, float(control.timestep)), interval
            )
            state, health, block = run_block(
                self.plan, ensemble, self.potential, control, rhythm, jnp.asarray(now), state
            )
            assert bool(health.finite)
            assert float(health.excess) <= 0
            assert int(health.rows) <= self.plan.lists.rows
            assert int(health.run) <= WINDOW * self.plan.lists.windows
            kept.append(jax.tree.map(lambda x, now=now: np.asarray(x[:now]), block))
            samples -= now
        return state, jax.tree.map(lambda *parts: np.concatenate(parts), *kept)


@pytest.fixture(scope="module")
def runner(potential, melt) -> Runner:
    return Runner(potential, melt)


@pytest.fixture(scope="module")
def liquid(runner, melt) -> State:
    """The melt after minimisation and 2 ps at 2000 K."""
    state, _ = runner.run("minimise", runner.first(melt), control(), 10, 60)
    state = runner.first(maxwell_boltzmann(state.system, HOT, 1))
    return runner.run("nvt", state, control(), 100)[0]


@pytest.fixture(scope="module")
def nvt(runner, liquid) -> tuple[State, Samples]:
    """20 ps of NVT."""
    return runner.run("nvt", liquid, control(), 1000)


@pytest.fixture(scope="module")
def npt(runner, liquid) -> Samples:
    """20 ps of NPT at `PRESSURE`, after 4 ps."""
    return compressed(runner, liquid, PRESSURE, 1000)


def compressed(runner: Runner, liquid: State, pressure_GPa: float, samples: int) -> Samples:
    """NPT from the liquid: 4 ps to settle, then `samples` of 20 fs."""
    setting = control(pressure_GPa=pressure_GPa)
    state, _ = runner.run("npt", start_from(runner, liquid), setting, 200)
    return runner.run("npt", state, setting, samples)[1]


def start_from(runner: Runner, state: State) -> State:
    return runner.first(state.system)


def drift(samples: Samples, n_atoms: int, timestep: float = 0.001) -> tuple[float, float]:
    """Drift of the conserved quantity (meV/atom/ns) and its standard error, from increments between ten block means.

    Rounding makes the quantity a slow random walk, so the scatter about a fitted line would flatter the error.
    """
    blocks = [block.mean() for block in np.array_split(samples.conserved * 1e3 / n_atoms, 10)]
    steps = np.diff(blocks) / ((samples.step[-1] - samples.step[0]) * timestep * 1e-3 / 10)
    return float(steps.mean()), float(steps.std(ddof=1) / np.sqrt(len(steps)))


def assert_no_drift(samples: Samples, n_atoms: int) -> None:
    slope, error = drift(samples, n_atoms)
    assert abs(slope) <= max(1.0, 3 * error), f"{slope:.2f} +- {error:.2f} meV/atom/ns"


def test_nve_conserves_energy(runner, liquid):
    still, _ = runner.run(
        "minimise", runner.first(replace(liquid.system, momenta=jnp.zeros((216, 3)))), control(), 20, 60
    )
    cold = runner.first(maxwell_boltzmann(still.system, 540.0, 2))  # half goes into the potential energy: 300 K
    _, samples = runner.run("nve", cold, control(), 250)
    assert samples.temperature[50:].mean() == pytest.approx(300.0, rel=0.1)
    assert_no_drift(samples, 216)
    assert np.std(samples.conserved) / 216 < 2e-5


@pytest.mark.slow
def test_nve_error_falls_with_the_square_of_the_step(liquid):
    """Steeper O-O repulsion and a tighter mesh: no jump at either cutoff may hide the error of the integrator."""
    charges, pairs = LITHIUM_OXIDE
    steep = make_potential(("Li", "O"), charges, {**pairs, "O-O": {"A": 80000.0, "rho": 0.2, "C": 0.0}}, cutoff=5.0)
    exact = Runner(steep, liquid.system, "float64", accuracy=1e-7)
    state, _ = exact.run("nvt", exact.first(liquid.system), control(), 20)
    state = exact.first(state.system)
    noise = []
    for factor in (4, 2, 1):  # 1, 0.5 and 0.25 fs
        step = 0.00025 * factor
        _, samples = exact.run("nve", state, control(timestep=step), 40, 48 // factor)
        noise.append(np.std(samples.conserved))
    for coarse, fine in zip(noise, noise[1:], strict=False):
        assert coarse / fine == pytest.approx(4.0, rel=0.25)


def test_momentum_stays_zero(nvt):
    state, _ = nvt
    total = np.abs(np.asarray(state.system.momenta).sum(0)).max()
    assert total < 1e-7  # amu A/ps after 20 ps; the net force of the mesh is taken out at every step


def test_nvt_temperature(nvt):
    mean, error = nvt[1].temperature.mean(), standard_error(nvt[1].temperature)
    assert abs(mean - HOT) < 0.01 * HOT
    assert abs(mean - HOT) < SIGMA * error


def test_nvt_conserved_quantity(nvt):
    assert_no_drift(nvt[1], 216)


@pytest.mark.slow
def test_npt_temperature_pressure_and_conserved_quantity(npt):
    assert abs(npt.temperature.mean() - HOT) < 0.01 * HOT
    found = np.trace(npt.pressure, axis1=1, axis2=2) / 3 * units.GPA
    assert abs(found.mean() - PRESSURE) < 3 * standard_error(found)
    assert_no_drift(npt, 216)


def test_orthorhombic_npt_holds_each_axis(runner, liquid):
    setting = control(pressure_GPa=0.7)
    state, _ = runner.run("npt_orthorhombic", start_from(runner, liquid), setting, 20)
    _, samples = runner.run("npt_orthorhombic", state, setting, 60)  # no longer: the cell of a liquid has no shape
    for a in range(3):
        found = samples.pressure[:, a, a] * units.GPA
        assert abs(found.mean() - 0.7) < SIGMA * standard_error(found)
    assert np.ptp(samples.cell[:, 0, 0] / samples.cell[:, 1, 1]) > 0  # the axes move apart from each other
    assert_no_drift(samples, 216)


def validation_data(samples: Samples, system: System, ensemble_name: str, pressure_GPa: float = 0.0):
    """The samples as `physical_validation` wants them."""
    columns = {
        "kinetic_energy": samples.kinetic_energy,
        "potential_energy": samples.potential_energy,
        "volume": np.abs(np.linalg.det(samples.cell)),
    }
    return simulation_data(columns, system, Thermodynamic(ensemble_name.lower(), HOT, pressure_GPa))


def assert_kinetic_energies_of_an_ensemble(data) -> None:
    mean, width = kinetic_energy.distribution(data, strict=False, verbosity=0, bootstrap_seed=1)
    assert abs(mean) < SIGMA
    assert abs(width) < SIGMA


@pytest.mark.filterwarnings("ignore")
def test_kinetic_energy_distribution(nvt):
    assert_kinetic_energies_of_an_ensemble(validation_data(nvt[1], nvt[0].system, "NVT"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_kinetic_energy_distribution_at_constant_pressure(nvt, npt):
    assert_kinetic_energies_of_an_ensemble(validation_data(npt, nvt[0].system, "NPT", PRESSURE))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_pressures_sample_one_ensemble(runner, liquid):
    """40 ps each: volumes forget in 0.4 ps, so about a hundred of them count."""
    low, high = (validation_data(compressed(runner, liquid, p, 2000), liquid.system, "NPT", p) for p in (PRESSURE, 0.9))
    deviation = ensemble.check(low, high, verbosity=0, bootstrap_seed=1)
    assert all(abs(d) < SIGMA for d in np.atleast_1d(deviation))


def test_a_wrong_temperature_is_noticed(nvt):
    """Negative control: 4 % hot must fail the same test (216 atoms, 20 ps)."""
    state, samples = nvt
    hot = replace(samples, kinetic_energy=samples.kinetic_energy * 1.04)
    mean, _ = kinetic_energy.distribution(
        validation_data(hot, state.system, "NVT"), strict=False, verbosity=0, bootstrap_seed=1
    )
    assert abs(mean) > SIGMA


def test_temperature_ramp_ends_where_it_should(runner, liquid):
    state = runner.first(liquid.system)
    _, samples = runner.run("nvt", state, control(HOT, end=1000.0, steps=4000), 200)
    wanted = HOT + (1000.0 - HOT) * samples.step / 4000
    assert np.mean((samples.temperature / wanted)[100:]) == pytest.approx(1.0, abs=0.04)  # known to 0.01


def test_minimisation_goes_downhill_to_small_forces(runner, liquid):
    state = runner.first(replace(liquid.system, momenta=jnp.zeros_like(liquid.system.momenta)))
    state, samples = runner.run("minimise", state, control(), 40, 60)
    assert samples.potential_energy[-1] < samples.potential_energy[0]
    assert float(jnp.max(jnp.abs(state.forces))) < 0.02


def test_degrees_of_freedom(liquid):
    assert degrees_of_freedom(liquid.system) == 3 * 216 - 3
