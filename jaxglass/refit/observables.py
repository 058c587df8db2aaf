"""What a glass shows, as pure functions that can be differentiated in positions and cell: S(Q), D(r), T(r), density.

    pair histogram H_ab -> g_ab -> S_ab -> S(Q) -> D(r) -> T(r)          (`analysis.pair_histogram`,
    `analysis.scattering`)

after the first arrow all is linear but for the density, so the matrices of one composition and one set of conventions
are made once: a `View`.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass.analysis.pair_histogram import everyone, partial_g
from jaxglass.analysis.radial_bins import spline_knots
from jaxglass.analysis.scattering import (
    Transforms,
    differential_correlation,
    make_transforms,
    partial_S,
    total_correlation,
    total_S,
)
from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.engine.plan import largest_reach
from jaxglass.errors import NumericalError
from jaxglass.model.cell import cell_volume
from jaxglass.pytree import pytree, static


@pytree
class View:
    """Matrices from g to the curves, and the knots of g: `count` of them, `width` A apart."""

    transforms: Transforms
    count: int = static()
    width: float = static()


class Curves(NamedTuple):
    """S on Q, D and T on r (1/A^2), and the density in atoms per A^3."""

    S: Array
    D: Array
    T: Array
    density: Array


def curve_of(found: Curves, quantity: str) -> Array:
    """S_q, D_r or T_r of the curves."""
    return {"S_q": found.S, "D_r": found.D, "T_r": found.T}[quantity]


def make_view(
    atoms: Mapping[str, int], settings: ScatteringSettings, shortest: float, r: np.ndarray | None = None
) -> View:
    """For a glass of `atoms` (element -> number, in the order of its species) in cells whose half width is
    `shortest` (A) or more; g ends there or at the settings' g_max. D on `r` (A) or the grid of the settings."""
    count = int(min(shortest, settings.g_max) / settings.g_width) - 1
    transforms = make_transforms(settings, atoms, spline_knots(count, settings.g_width), r)
    return View(jax.tree.map(jnp.asarray, transforms), count, settings.g_width)


def check_reach(view: View, cells: np.ndarray) -> None:
    """`NumericalError` where one of the `cells` (F, 3, 3) is so small that g(r) would end beyond half of it: nearest
    images would be missing from the curve."""
    narrowest = min(map(largest_reach, np.asarray(cells)))
    if narrowest < view.count * view.width:
        raise NumericalError(
            f"refit: a glass has become so dense that half its cell, {narrowest:.2f} A, is less than the "
            f"{view.count * view.width:.2f} A over which curves are compared"
        )


def curves(view: View, species: Array, fractional: Array, cell: Array, index: Array | None = None) -> Curves:
    """The curves of one structure; `index` (K, N): list of neighbours out to the last knot, all pairs where not
    given."""
    kinds = len(view.transforms.weights)
    index = everyone(len(species)) if index is None else index
    g = partial_g(species, kinds, fractional, cell, index, view.count, view.width)
    density = len(species) / cell_volume(cell)
    S = total_S(view.transforms, partial_S(view.transforms, g, density))
    D = differential_correlation(view.transforms, S)
    return Curves(S, D, total_correlation(view.transforms, D, density), density)


def smooth_coordination(
    species: Array, fractional: Array, cell: Array, index: Array, center: int, ligand: int, cutoff: float, width: float
) -> Array:
    """Mean number of `ligand` atoms round a `center` atom, each counted 1/(1 + exp((r - cutoff)/width))."""
    d = fractional[index] - fractional
    vector = (d - jnp.round(d)) @ cell
    r2 = jnp.sum(vector * vector, -1)
    atoms = jnp.arange(len(species), dtype=index.dtype)
    pair = (index != atoms) & (species == center) & (species[index] == ligand)
    count = jax.nn.sigmoid((cutoff - jnp.sqrt(jnp.where(pair, r2, 1.0))) / width)
    return jnp.sum(jnp.where(pair, count, 0.0)) / jnp.sum(species == center)
