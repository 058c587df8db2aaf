"""Atoms divided among devices: each works on its own rows of every sum, results are put together at the end.

Inside the compiled block (`simulation.block`, a `shard_map` over the axis `AXIS`) all devices hold the whole state
and run the same program; only neighbour lists, pair sums and gathering from the mesh are divided. With one device
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


def collect(shards: int, rows: Array, part: Array, n_atoms: int) -> tuple[Array, Array]:
    """Rows (n, 3) of all devices as (n_atoms, 3) and the sum of their `part` (3, 3): one exchange for both."""
    if shards == 1:
        return rows, part
    everything = jax.lax.all_gather(jnp.concatenate([rows, part]), AXIS)
    return everything[:, :-3].reshape(-1, 3)[:n_atoms], jnp.sum(everything[:, -3:], 0)


def add(shards: int, local: Array) -> Array:
    """Sum over devices."""
    return local if shards == 1 else jax.lax.psum(local, AXIS)


def largest(shards: int, local: Array) -> Array:
    """Maximum over devices."""
    return local if shards == 1 else jax.lax.pmax(local, AXIS)
