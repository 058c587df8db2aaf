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
    """A system on its way through one stage; `step` counts from the beginning of that stage (int64)."""

    system: System
    thermostat: Chain
    barostat: Barostat
    descent: Descent
    step: Array


def start(system: System) -> State:
    """State at the beginning of a stage: thermostat, barostat and minimiser at rest."""
    return State(
        system=system,
        thermostat=make_chain(),
        barostat=Barostat(jnp.zeros(3), make_chain()),
        descent=Descent(jnp.asarray(0.02), jnp.asarray(0.1), jnp.asarray(0)),
        step=jnp.asarray(0, jnp.int64),
    )
