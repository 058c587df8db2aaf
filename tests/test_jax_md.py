"""jax-md as an independent oracle: short-range energies and forces of a random ionic box."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxglass.engine.energy import buckingham_energy, device_pairs
from jaxglass.model.potential import short_range_energy, splice
from jaxglass.parameters import default_settings, load_parameters


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_buckingham_sum_equals_jax_md():
    from jax_md import space

    random = np.random.default_rng(2)
    species = jnp.asarray(np.repeat([0, 1, 2, 3], [30, 25, 25, 120]))
    edge = 16.5
    fractional = jnp.asarray(
        (np.indices((6, 6, 6)).reshape(3, -1).T[:200] + 0.5) / 6 + random.normal(0, 0.015, (200, 3))
    )
    potential = load_parameters(default_settings(), ("Li", "B", "P", "O"), {"Li": 30, "B": 25, "P": 25}).potential
    core = splice(potential)
    ours = lambda x: buckingham_energy(potential, pairs, species, x, edge * jnp.eye(3))
    pairs = device_pairs(np.asarray(fractional), edge * np.eye(3), potential.cutoff)

    def pair(r, a, b):
        safe = jnp.where(r > 0, r, 1.0)
        return jnp.where((r > 0) & (r < potential.cutoff), short_range_energy(potential, core, safe, a, b), 0.0)

    displacement, _ = space.periodic(edge)
    difference = space.map_product(displacement)

    def theirs(x):
        r = space.distance(difference(x * edge, x * edge))
        return 0.5 * jnp.sum(pair(r, species[:, None], species[None, :]))

    assert float(ours(fractional)) == pytest.approx(float(theirs(fractional)), rel=1e-12)
    np.testing.assert_allclose(jax.grad(ours)(fractional), jax.grad(theirs)(fractional), rtol=1e-9, atol=1e-9)
