"""The process in which stock jax-md is timed: python -m jaxglass.benchmark.stock_jax_md FOLDER ATOMS.

What a user of jax-md gets from its own parts: `smap` pair energies over its neighbour list (Buckingham and screened
Coulomb at one cutoff), its PME with order-4 splines, forces by automatic differentiation, its Nose-Hoover NVT; float32.
Its PME is right for cubic cells only and leaves out the self energy, which exerts no force. The core splice is
left out: no pair of a glass at 300 K is inside it. The one owner of jax-md, which jaxglass itself never needs.
"""

import sys
import time
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxglass import units
from jaxglass.benchmark.configuration import Configuration, load
from jaxglass.benchmark.protocol import serve
from jaxglass.benchmark.settings import Settings, load_settings
from jaxglass.engine.ewald import real_space_alpha
from jaxglass.errors import NumericalError
from jaxglass.runtime import configure

SKIN = 1.0  # A
SPACING = 0.28  # A between mesh points: what its order-4 splines need for about the error of the others
CLOSEST = 0.5  # A; keeps padding of the list finite
TIMESTEP = 0.001  # ps
TIME = np.sqrt(units.AMU)  # ps per unit of time in which eV, A and amu are coherent


class StockRun:
    """NVT at 300 K with jax-md's own parts."""

    def __init__(self, settings: Settings, configuration: Configuration):
        """Build energy, list and integrator, and draw momenta."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # jax-md's imports warn
            from jax_md import energy, partition, simulate, smap, space
        self.configuration = configuration
        potential = settings.potential(configuration.system)
        self.cutoff = max(potential.cutoff, settings.coulomb_cutoff or 0.0)
        edge = float(configuration.cell[0, 0])
        charges = np.asarray(potential.charges)[configuration.species]
        accuracy = settings.coulomb_accuracy * units.COULOMB
        self.alpha = real_space_alpha(self.cutoff, 0.55 * accuracy, charges, edge**3)
        self.points = int(2 * np.ceil(edge / SPACING / 2))
        masses = np.asarray(configuration.system.masses, np.float32)
        jax.config.update("jax_enable_x64", False)  # from here on jax-md as its users run it
        species, k = jnp.asarray(configuration.species), float(potential.coulomb_constant)
        A, rho, C, q = (
            jnp.asarray(np.asarray(x), jnp.float32) for x in (potential.A, potential.rho, potential.C, charges)
        )
        displacement, shift = space.periodic(edge)
        buckingham_cutoff, coulomb_cutoff, alpha = potential.cutoff, self.cutoff, self.alpha

        def pair(r, A, rho, C, qq, **_):
            r = jnp.maximum(r, CLOSEST)
            short = jnp.where(r < buckingham_cutoff, A * jnp.exp(-r / rho) - C / r**6, 0.0)
            return short + jnp.where(r < coulomb_cutoff, k * qq * jax.scipy.special.erfc(alpha * r) / r, 0.0)

        table = jnp.asarray(np.asarray(potential.charges), jnp.float32)
        metric = space.canonicalize_displacement_or_metric(displacement)
        real = smap.pair_neighbor_list(
            pair, metric, species=species, A=A, rho=rho, C=C, qq=table[:, None] * table[None, :]
        )
        recip = energy.coulomb_recip_pme(q, jnp.float32(edge), self.points, alpha=alpha)

        def total(position, neighbor, **_):
            return real(position, neighbor=neighbor) + k * recip(position)

        self.neighbor_fn = partition.neighbor_list(
            displacement, edge, self.cutoff, dr_threshold=SKIN, format=partition.Dense
        )
        self.forces = jax.jit(lambda position, neighbor: -jax.grad(total)(position, neighbor))
        dt, kT = TIMESTEP / TIME, units.BOLTZMANN * 300.0
        begin, apply = simulate.nvt_nose_hoover(total, shift, dt, kT, tau=0.1 / TIME)
        position = jnp.asarray((configuration.fractional % 1.0) * edge, jnp.float32)
        self.neighbors = self.neighbor_fn.allocate(position)
        self.state = begin(jax.random.PRNGKey(0), position, mass=jnp.asarray(masses), neighbor=self.neighbors)

        def step(_, carry):
            state, neighbors = carry
            neighbors = neighbors.update(state.position)
            return apply(state, neighbor=neighbors), neighbors

        self.advance = jax.jit(lambda state, neighbors, steps: jax.lax.fori_loop(0, steps, step, (state, neighbors)))

    def block(self, steps: str) -> float:
        """Seconds per step of a compiled block; blocks that overflow the list are repeated with a larger one."""
        for _ in range(5):
            began = time.perf_counter()
            state, neighbors = jax.block_until_ready(self.advance(self.state, self.neighbors, int(steps)))
            seconds = (time.perf_counter() - began) / int(steps)
            if not bool(neighbors.did_buffer_overflow):
                self.state, self.neighbors = state, neighbors
                return seconds
            self.neighbors = self.neighbor_fn.allocate(self.state.position, extra_capacity=32)
            self.advance(self.state, self.neighbors, 1)  # compiles
        raise NumericalError("benchmark: the neighbour list of jax-md overflows again and again")

    def force_error(self) -> float:
        """RMS force error (eV/A) at the configuration as it was saved."""
        edge = self.configuration.cell[0, 0]
        position = jnp.asarray((self.configuration.fractional % 1.0) * edge, jnp.float32)
        found = self.forces(position, self.neighbor_fn.allocate(position))
        return self.configuration.force_error(np.asarray(found, float))

    def settings(self) -> str:
        """The choices in words."""
        return f"float32, coulomb {self.cutoff:g} A, mesh {self.points}^3 order 4, dense list, skin {SKIN:g} A"


if __name__ == "__main__":
    configure("cpu")
    folder = Path(sys.argv[1])
    run = StockRun(load_settings(folder), load(folder / f"{sys.argv[2]}.npz"))
    serve({"block": run.block, "force_error": run.force_error, "settings": run.settings})
