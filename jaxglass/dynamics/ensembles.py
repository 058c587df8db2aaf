"""One step of NVE, NVT, NPT or FIRE: state -> state, one force evaluation each.

NVT with the stress of every step (`nvt_stress`) has the same steps and sums the pressure, as NPT does.

NPT is the Martyna-Tobias-Klein extension with strain rates w_a of the cell axes (Tuckerman et al. 2006):

    dr_a/dt = p_a/m + w_a r_a                          dh/dt = h w
    dp_a/dt = F_a - (w_a + sum_b w_b/n) p_a            W dw_a/dt = V (P_aa - P) + (1/n) sum_i p^2/m

with n = 3N - 3 and W = (N + 1) kT tau^2; isotropic coupling replaces the right side by its mean over a. Momenta
are in amu A/ps, so p/m is A/ps and a force in eV/A changes p by F dt/AMU.
Splitting: barostat chain, thermostat chain, w, p | h, r | forces | p, w, chains. Conserved:

    K + U + P V + sum_a W w_a^2/2 + thermostat + barostat chain
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import jax.numpy as jnp
from jax import Array

from jaxglass import units
from jaxglass.dynamics import chain
from jaxglass.dynamics.state import Barostat, Descent, State
from jaxglass.engine.forces import Forces
from jaxglass.model.cell import inverse
from jaxglass.model.system import System, degrees_of_freedom, kinetic_energy
from jaxglass.pytree import pytree

ForceField = Callable[[Array, Array], Forces]  # (fractional, cell) -> forces

ENSEMBLES = ("nve", "nvt", "nvt_stress", "npt", "npt_orthorhombic", "minimise")
LARGEST_MOVE = 0.1  # A, of one atom in a step of a minimisation


@pytree
class Control:
    """Traced settings of a stage: times in ps, temperatures in K, pressure in eV/A^3, `steps` of the whole ramp."""

    timestep: Array
    temperature_start: Array
    temperature_end: Array
    steps: Array
    pressure: Array
    thermostat_time: Array
    barostat_time: Array


def target(control: Control, step: Array) -> Array:
    """kT (eV) of the linear temperature ramp at `step`."""
    progress = step / jnp.maximum(control.steps, 1)
    kelvin = control.temperature_start + (control.temperature_end - control.temperature_start) * progress
    return units.BOLTZMANN * kelvin


def needs_stress(ensemble: str) -> bool:
    """Whether the ensemble reads the stress at every step."""
    return ensemble == "nvt_stress" or ensemble.startswith("npt")


def advance(ensemble: str, control: Control, force_field: ForceField, state: State) -> State:
    """One time step of `ensemble` (one of `ENSEMBLES`); the step from -1 to 0 has no length and finds the forces."""
    control = replace(control, timestep=jnp.where(state.step < 0, 0.0, control.timestep))
    steps: dict[str, Callable[[Control, ForceField, State], State]] = {
        "nve": verlet,
        "nvt": nose_hoover,
        "nvt_stress": nose_hoover,
        "npt": partial(martyna_tobias_klein, isotropic=True),
        "npt_orthorhombic": partial(martyna_tobias_klein, isotropic=False),
        "minimise": lambda _, force_field, state: fire(force_field, state),
    }
    after = steps[ensemble](control, force_field, state)
    return _with_pressure(after) if needs_stress(ensemble) else after


def _with_pressure(state: State) -> State:
    """The pressure of this step added to the sum; the step that finds the forces does not count."""
    pressure = pressure_tensor(state.system, state.strain_derivative)
    return replace(state, pressure_sum=state.pressure_sum + jnp.where(state.step > 0, pressure, 0.0))


def mean_pressure(state: State) -> Array:
    """Mean pressure tensor (eV/A^3) over the steps of the stage so far, (3, 3)."""
    return state.pressure_sum / jnp.maximum(state.step, 1)


def verlet(control: Control, force_field: ForceField, state: State) -> State:
    """Velocity Verlet."""
    dt = control.timestep
    state = _kick(state, dt)
    system = state.system
    drift = system.momenta / system.masses[:, None] @ inverse(system.cell)
    fractional = system.fractional + dt * drift
    state = _arrive(state, force_field, replace(system, fractional=fractional))
    return _kick(state, dt)


def _arrive(state: State, force_field: ForceField, system: System) -> State:
    """The next step: new positions and cell with the forces that belong to them."""
    found = force_field(system.fractional, system.cell)
    return replace(
        state, system=system, forces=found.forces, strain_derivative=found.strain_derivative, step=state.step + 1
    )


def _kick(state: State, dt: Array) -> State:
    momenta = state.system.momenta + state.forces * (0.5 * dt / units.AMU)
    return replace(state, system=replace(state.system, momenta=momenta))


def nose_hoover(control: Control, force_field: ForceField, state: State) -> State:
    """NVT: velocity Verlet between two half steps of the thermostat chain."""
    state = _thermostat(control, state, target(control, state.step))
    state = verlet(control, force_field, state)
    return _thermostat(control, state, target(control, state.step))


def _thermostat(control: Control, state: State, kT: Array) -> State:
    system = state.system
    links, scale = chain.half_step(
        state.thermostat,
        2 * kinetic_energy(system),
        degrees_of_freedom(system),
        kT,
        control.thermostat_time,
        control.timestep,
    )
    return replace(state, thermostat=links, system=replace(system, momenta=system.momenta * scale))


def barostat_mass(control: Control, n_atoms: int) -> Array:
    """W = (N + 1) kT tau^2 of one axis (eV ps^2); T of the start of a ramp, as in LAMMPS, so that W stays."""
    return (n_atoms + 1) * units.BOLTZMANN * control.temperature_start * control.barostat_time**2


def _barostat_thermostat(control: Control, state: State, kT: Array, isotropic: bool) -> State:
    """Half a step of the chain on the cell motion: one degree of freedom if isotropic, else three."""
    dof = 1.0 if isotropic else 3.0
    mass = barostat_mass(control, len(state.system.species))
    links, scale = chain.half_step(
        state.barostat.chain, mass * jnp.sum(state.barostat.rate**2), dof, kT, control.barostat_time, control.timestep
    )
    return replace(state, barostat=Barostat(state.barostat.rate * scale, links))


def pressure_tensor(system: System, strain_derivative: Array) -> Array:
    """Instantaneous pressure tensor (eV/A^3), compression positive: (sum p p/m - dU/d strain)/V, (3, 3)."""
    kinetic = units.AMU * jnp.einsum("ia,ib->ab", system.momenta / system.masses[:, None], system.momenta)
    return (kinetic - strain_derivative) / system.volume


def _strain_rate(control: Control, state: State, isotropic: bool) -> State:
    """Half a step of W dw/dt."""
    system = state.system
    pressure = jnp.diag(pressure_tensor(system, state.strain_derivative))
    pressure = jnp.broadcast_to(jnp.mean(pressure), (3,)) if isotropic else pressure
    drive = system.volume * (pressure - control.pressure) + 2 * kinetic_energy(system) / degrees_of_freedom(system)
    rate = state.barostat.rate + 0.5 * control.timestep * drive / barostat_mass(control, len(system.species))
    return replace(state, barostat=replace(state.barostat, rate=rate))


def _damped_kick(state: State, dt: Array) -> State:
    """Half a step of dp/dt = F - (w + sum w/n) p, exact for constant F and w."""
    system, rate = state.system, state.barostat.rate
    friction = (rate + jnp.sum(rate) / degrees_of_freedom(system)) * dt / 4
    momenta = system.momenta * jnp.exp(-2 * friction)
    momenta = momenta + state.forces * (0.5 * dt / units.AMU) * jnp.exp(-friction) * _sinhc(friction)
    return replace(state, system=replace(system, momenta=momenta))


def _sinhc(x: Array) -> Array:
    """sinh(x)/x; the series is exact to rounding for the |x| << 1 of a cell in motion."""
    x2 = x * x
    return 1 + x2 / 6 * (1 + x2 / 20 * (1 + x2 / 42))


def martyna_tobias_klein(control: Control, force_field: ForceField, state: State, isotropic: bool) -> State:
    """NPT with Nose-Hoover chains on particles and cell."""
    dt = control.timestep
    kT = target(control, state.step)
    state = _barostat_thermostat(control, state, kT, isotropic)
    state = _thermostat(control, state, kT)
    state = _strain_rate(control, state, isotropic)
    state = _damped_kick(state, dt)

    system, rate = state.system, state.barostat.rate
    half = system.cell * jnp.exp(rate * dt / 2)[None, :]
    drift = system.momenta / system.masses[:, None] * _sinhc(rate * dt / 2)
    fractional = system.fractional + dt * drift @ inverse(half)
    cell = system.cell * jnp.exp(rate * dt)[None, :]
    state = _arrive(state, force_field, replace(system, fractional=fractional, cell=cell))

    kT = target(control, state.step)
    state = _damped_kick(state, dt)
    state = _strain_rate(control, state, isotropic)
    state = _thermostat(control, state, kT)
    return _barostat_thermostat(control, state, kT, isotropic)


def fire(force_field: ForceField, state: State) -> State:
    """FIRE step (Bitzek et al. 2006, semi-implicit Euler) for unit masses; momenta hold the velocities.

    No atom moves by more than LARGEST_MOVE.
    """
    system, descent = state.system, state.descent
    velocity, force = system.momenta, state.forces
    downhill = jnp.sum(velocity * force) > 0
    patient = descent.downhill > 5
    step = jnp.where(
        downhill,
        jnp.where(patient, jnp.minimum(descent.step * 1.1, 0.15), descent.step),
        jnp.maximum(descent.step * 0.5, 1e-3),
    )
    mixing = jnp.where(downhill, jnp.where(patient, descent.mixing * 0.99, descent.mixing), 0.1)
    velocity = jnp.where(downhill, velocity, 0.0) + step * force
    pull = jnp.sqrt(jnp.sum(velocity**2) / jnp.maximum(jnp.sum(force**2), 1e-300))
    velocity = (1 - mixing) * velocity + mixing * pull * force
    move = step * velocity
    farthest = jnp.sqrt(jnp.max(jnp.sum(move**2, 1)))
    limit = jnp.minimum(1.0, LARGEST_MOVE / jnp.maximum(farthest, 1e-12))
    fractional = system.fractional + limit * move @ inverse(system.cell)
    state = replace(state, descent=Descent(step, mixing, jnp.where(downhill, descent.downhill + 1, 0)))
    return _arrive(state, force_field, replace(system, fractional=fractional, momenta=velocity * limit))


def conserved_energy(ensemble: str, control: Control, state: State, potential_energy: Array) -> Array:
    """The constant of the motion (eV) of `ensemble` at constant temperature and pressure."""
    kT = target(control, state.step)
    total = potential_energy + kinetic_energy(state.system)
    if ensemble in ("nve", "minimise"):
        return total
    total += chain.energy(state.thermostat, degrees_of_freedom(state.system), kT, control.thermostat_time)
    if ensemble.startswith("nvt"):
        return total
    dof = 1.0 if ensemble == "npt" else 3.0
    mass = barostat_mass(control, len(state.system.species))
    total += control.pressure * state.system.volume + 0.5 * mass * jnp.sum(state.barostat.rate**2)
    return total + chain.energy(state.barostat.chain, dof, kT, control.barostat_time)
