"""Atoms divided among devices: each works on its own rows of every sum, results are put together at the end.

Inside the compiled block (`simulation.block`, a `shard_map` over the axis `AXIS`) all devices hold the whole state
and run the same program; only neighbour lists, pair sums, spreading and gathering are divided. With one device
every function here is the identity.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

AXIS = "shard"


class Share(NamedTuple):
    """Atoms of this device, (n,); `owned` is false for the padding of the last device."""

    atoms: Array
    owned: Array


def share(shards: int, n_atoms: int) -> Share:
    """The part of `n_atoms` that belongs to this device."""
    size = -(-n_atoms // shards)
    atoms = jnp.arange(size, dtype=jnp.int32)
    if shards > 1:
        atoms = atoms + size * jax.lax.axis_index(AXIS).astype(jnp.int32)
    return Share(jnp.minimum(atoms, n_atoms - 1), atoms < n_atoms)


def join(shards: int, local: Array, n_atoms: int) -> Array:
    """Rows of all devices, (n_atoms, ...)."""
    if shards == 1:
        return local
    return jax.lax.all_gather(local, AXIS, tiled=True)[:n_atoms]


def add(shards: int, local: Array) -> Array:
    """Sum over devices."""
    return local if shards == 1 else jax.lax.psum(local, AXIS)


def largest(shards: int, local: Array) -> Array:
    """Maximum over devices."""
    return local if shards == 1 else jax.lax.pmax(local, AXIS)
