"""What is integrated, which is exactly what a checkpoint holds."""

import jax.numpy as jnp
from jax import Array

from jaxglass.dynamics.chain import Chain, make_chain
from jaxglass.model.system import System
from jaxglass.pytree import pytree


@pytree
class Barostat:
    """Strain rates of the three cell axes (1/ps), equal for isotropic coupling, and their thermostat."""

    rate: Array
    chain: Chain


@pytree
class Descent:
    """FIRE: time step, mixing and the number of steps since the power was last negative."""

    step: Array
    mixing: Array
    downhill: Array


@pytree
class State:
    """A system on its way through one stage.

    `forces` (N, 3) in eV/A and `strain_derivative` (3, 3) in eV belong to the present positions (the latter only
    where the ensemble reads the stress); `pressure_sum` (3, 3) in eV/A^3 is summed over the steps of the stage, there
    too; `step` counts from the beginning of the stage, -1: forces not known yet.
    """

    system: System
    forces: Array
    strain_derivative: Array
    pressure_sum: Array
    thermostat: Chain
    barostat: Barostat
    descent: Descent
    step: Array


def start(system: System) -> State:
    """State before a stage: thermostat, barostat and minimiser at rest, forces not yet known (zero)."""
    return State(
        system=system,
        forces=jnp.zeros_like(system.fractional),
        strain_derivative=jnp.zeros((3, 3)),
        pressure_sum=jnp.zeros((3, 3)),
        thermostat=make_chain(),
        barostat=Barostat(jnp.zeros(3), make_chain()),
        descent=Descent(jnp.asarray(0.04, float), jnp.asarray(0.1, float), jnp.asarray(0, int)),
        step=jnp.asarray(-1, jnp.int64),
    )
