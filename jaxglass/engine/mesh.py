"""Reciprocal Coulomb sum on a mesh: P3M with B-splines and analytic differentiation, any cell.

Charges are spread with cardinal B-splines of order p on M1 x M2 x M3 points, one FFT gives rho(k), and

    E = (2 pi k_e/V) sum_{k!=0} w(n) exp(-k^2/4 alpha^2)/k^2 |rho(k)|^2,   w(n) = prod_a U_a^2 / (sum_m U_a^2)^2

with U = sinc(pi n/M)^p and m over aliases (the energy-optimal influence function: Hockney & Eastwood 1981;
Ballenegger, Cerda & Holm, J. Chem. Theory Comput. 8 (2012) 936). w depends only on the mesh, so with the mesh
fixed in fractional coordinates the stress below is the exact strain derivative of this energy. Forces are its
exact position derivative. Indices: i atoms; a, b axes; m aliases; n mesh wave numbers.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass.engine.shards import add, join, share
from jaxglass.model.cell import cell_volume, inverse
from jaxglass.units import COULOMB


class Mesh(NamedTuple):
    """Shape of the mesh, order of the B-splines and the Ewald splitting alpha (1/A). Static."""

    shape: tuple[int, int, int]
    order: int
    alpha: float


class MeshForces(NamedTuple):
    """Forces (N, 3) in eV/A, energy (eV), strain derivative of the energy (3, 3) in eV."""

    forces: Array
    energy: Array
    strain_derivative: Array


def spline_weights(u: Array, order: int) -> tuple[list[Array], list[Array]]:
    """Cardinal B-spline weights and their derivatives for fractions `u` in [0, 1): `order` arrays each.

    Weight m belongs to mesh point floor(x) - order + 1 + m. Recursion of Essmann et al. (1995).
    """
    weights = [1 - u, u]
    for n in range(3, order):
        weights = _raise_order(weights, u, n)
    derivative = [-weights[0], *(weights[m - 1] - weights[m] for m in range(1, order - 1)), weights[-1]]
    return _raise_order(weights, u, order), derivative


def _raise_order(weights: list[Array], u: Array, n: int) -> list[Array]:
    """B-spline weights of order n from those of order n - 1."""
    zero = jnp.zeros_like(u)
    padded = [zero, *weights, zero]
    return [((u + (n - 1 - m)) * padded[m] + ((m + 1) - u) * padded[m + 1]) / (n - 1) for m in range(n)]


@lru_cache
def influence_weights(size: int, order: int) -> np.ndarray:
    """Axis factor U^2/(sum over aliases of U^2)^2 of w(n) for all n of one axis, (M,), host."""
    n = np.fft.fftfreq(size, 1 / size)[:, None]
    aliases = n + size * np.arange(-6, 7)[None, :]
    u2 = np.sinc(aliases / size) ** (2 * order)
    return u2[:, 6] / u2.sum(1) ** 2


def reciprocal_terms(mesh: Mesh, cell: Array, dtype) -> tuple[Array, tuple[Array, Array, Array], Array]:
    """Green's function w exp(-k^2/4a^2)/k^2 on the half mesh, the components of k, and k^2 (1 at k = 0)."""
    m1, m2, m3 = mesh.shape
    reciprocal = (2 * np.pi * inverse(cell)).astype(dtype)
    counts = (np.fft.fftfreq(m1, 1 / m1), np.fft.fftfreq(m2, 1 / m2), np.arange(m3 // 2 + 1))
    axes = [jnp.asarray(c, dtype).reshape([-1 if b == a else 1 for b in range(3)]) for a, c in enumerate(counts)]
    w = [influence_weights(m, mesh.order) for m in mesh.shape]
    w[2] = w[2][: m3 // 2 + 1]
    weight = [jnp.asarray(v, dtype).reshape([-1 if b == a else 1 for b in range(3)]) for a, v in enumerate(w)]
    kx, ky, kz = (
        axes[0] * reciprocal[a, 0] + axes[1] * reciprocal[a, 1] + axes[2] * reciprocal[a, 2] for a in range(3)
    )
    k2 = kx * kx + ky * ky + kz * kz
    k2 = jnp.where(k2 == 0, 1, k2)
    green = weight[0] * weight[1] * weight[2] * jnp.exp(k2 * (-1 / (4 * mesh.alpha**2))) / k2
    return green.at[0, 0, 0].set(0), (kx, ky, kz), k2


def half_mesh_fold(m3: int) -> np.ndarray:
    """How many of k, -k each plane of the half mesh stands for, (M3//2 + 1,)."""
    fold = np.full(m3 // 2 + 1, 2.0)
    fold[0] = 1.0
    if m3 % 2 == 0:
        fold[-1] = 1.0
    return fold


class _Stencil(NamedTuple):
    """Mesh points of every atom: `rows` (p, p, N) flat start of each x-y line, `z` (p, N), weights per axis."""

    rows: Array
    z: Array
    weights: list[list[Array]]
    derivatives: list[list[Array]]


def _stencil(mesh: Mesh, fractional: tuple[Array, Array, Array], dtype) -> _Stencil:
    points, weights, derivatives = [], [], []
    for x, size in zip(fractional, mesh.shape, strict=True):
        x = (x - jnp.floor(x)) * size
        base = jnp.floor(x)
        w, d = spline_weights((x - base).astype(dtype), mesh.order)
        offset = jnp.arange(mesh.order, dtype=jnp.int32)[:, None] - (mesh.order - 1)
        points.append((base.astype(jnp.int32) + offset) % size)
        weights.append(w)
        derivatives.append(d)
    _, m2, m3 = mesh.shape
    rows = (points[0][:, None, :] * m2 + points[1][None, :, :]) * m3
    return _Stencil(rows, points[2], weights, derivatives)


def mesh_forces(
    mesh: Mesh,
    charges: Array,
    coulomb_constant: Array,
    fractional: tuple[Array, Array, Array],
    cell: Array,
    dtype,
    derivatives: bool = False,
    shards: int = 1,
) -> MeshForces:
    """Reciprocal forces of atoms with `charges` (N,) at `fractional` (three arrays (N,)) in `cell` (3, 3).

    `dtype` is the arithmetic of spreading, FFT and gathering. Without `derivatives` energy and strain
    derivative are zeros (they cost two more passes over the mesh). Spline order from 3 upwards.
    """
    m1, m2, m3 = mesh.shape
    mine = share(shards, charges.shape[0])
    order, count = mesh.order, len(mine.atoms)
    at = _stencil(mesh, (fractional[0][mine.atoms], fractional[1][mine.atoms], fractional[2][mine.atoms]), dtype)
    wx, wy, wz = (jnp.stack(w) for w in at.weights)
    dx, dy, _ = (jnp.stack(d) for d in at.derivatives)
    charge = jnp.where(mine.owned, charges[mine.atoms], 0).astype(dtype)
    rows = at.rows.reshape(order**2, count)

    def spread(density, item):  # one x-y offset of the stencil at a time: contiguous z, short index lists
        rows, weight = item
        index, value = rows + at.z, weight * wz
        return density.at[index.reshape(-1)].add(value.reshape(-1), mode="promise_in_bounds"), None

    plane = ((charge * wx)[:, None, :] * wy[None, :, :]).reshape(order**2, count)
    density, _ = jax.lax.scan(spread, jnp.zeros(m1 * m2 * m3, dtype), (rows, plane))
    density_k = jnp.fft.rfftn(add(shards, density).reshape(mesh.shape))
    green, k, k2 = reciprocal_terms(mesh, cell, dtype)
    volume = cell_volume(cell)
    scale = (4 * np.pi * coulomb_constant / volume).astype(dtype)
    potential = jnp.fft.irfftn(density_k * (green * (scale * math.prod(mesh.shape))), s=mesh.shape).reshape(-1)

    def gather(sums, item):
        rows, wx, wy, dx, dy = item
        phi = [potential.at[rows + at.z[m]].get(mode="promise_in_bounds") for m in range(order)]
        along = sum(w * p for w, p in zip(at.weights[2], phi, strict=True))
        slope = sum(d * p for d, p in zip(at.derivatives[2], phi, strict=True))
        return (sums[0] + dx * wy * along, sums[1] + wx * dy * along, sums[2] + wx * wy * slope), None

    lines = (
        rows,
        jnp.repeat(wx, order, 0),
        jnp.tile(wy, (order, 1)),
        jnp.repeat(dx, order, 0),
        jnp.tile(dy, (order, 1)),
    )
    zero = jnp.zeros(count, dtype)
    gradient, _ = jax.lax.scan(gather, (zero, zero, zero), lines)
    size = jnp.asarray(mesh.shape, dtype)
    per_axis = jnp.stack([-charge * g for g in gradient], 1) * size  # dE/d fractional, sign of a force
    forces = join(shards, per_axis, charges.shape[0]).astype(cell.dtype) @ inverse(cell).T
    if not derivatives:
        return MeshForces(forces, jnp.zeros((), cell.dtype), jnp.zeros((3, 3), cell.dtype))
    fold = jnp.asarray(half_mesh_fold(m3), dtype)
    energies = (scale / 2) * fold * green * (density_k.real**2 + density_k.imag**2)
    return MeshForces(
        forces, jnp.sum(energies, dtype=cell.dtype), _strain_derivative(mesh, energies, k, k2, cell.dtype)
    )


def _strain_derivative(mesh: Mesh, energies: Array, k: tuple[Array, Array, Array], k2: Array, dtype) -> Array:
    """dE/d strain_ab = sum_k e_k [2 k_a k_b (1/k^2 + 1/4 alpha^2) - delta_ab], (3, 3)."""
    factor = energies * 2 * (1 / k2 + 1 / (4 * mesh.alpha**2))
    total = jnp.sum(energies, dtype=dtype)
    entry = {(a, b): jnp.sum(factor * k[a] * k[b], dtype=dtype) for a in range(3) for b in range(a, 3)}
    rows = [[entry[min(a, b), max(a, b)] - (total if a == b else 0.0) for b in range(3)] for a in range(3)]
    return jnp.stack([jnp.stack(row) for row in rows])


def rms_force_error(mesh: Mesh, charges: np.ndarray, cell: np.ndarray) -> float:
    """Expected RMS force error of the mesh (eV/A) for uncorrelated charges: the Hockney-Eastwood functional of
    the analytic-differentiation scheme, summed over the first aliases (Ballenegger et al. 2012, eq. 31)."""
    aliases = np.arange(-1, 2)
    inverse = 2 * np.pi * np.linalg.inv(cell)
    symmetric = np.allclose(cell, np.diag(np.diag(cell)))  # then one octant stands for all
    numbers, w, folds = [], [], []
    for axis, size in enumerate(mesh.shape):
        half = symmetric or axis == 2
        numbers.append(np.arange(size // 2 + 1.0) if half else np.fft.fftfreq(size, 1 / size))
        w.append(influence_weights(size, mesh.order)[: len(numbers[-1])])
        folds.append(half_mesh_fold(size) if half else np.ones(size))
    fold = folds[0][:, None, None] * folds[1][None, :, None] * folds[2][None, None, :]
    shape = tuple(len(n) for n in numbers)
    reference2, u2_sum, u2k2, cross = (np.zeros(shape) for _ in range(4))
    centre = None
    for m in np.stack(np.meshgrid(aliases, aliases, aliases, indexing="ij"), -1).reshape(-1, 3):
        n = [c + s * size for c, s, size in zip(numbers, m, mesh.shape, strict=True)]
        u2 = 1.0
        for a in range(3):
            u2 = u2 * (np.sinc(n[a] / mesh.shape[a]) ** (2 * mesh.order)).reshape(
                [-1 if b == a else 1 for b in range(3)]
            )
        grid = [v.reshape([-1 if b == a else 1 for b in range(3)]) for a, v in enumerate(n)]
        k2 = sum((grid[0] * inverse[a, 0] + grid[1] * inverse[a, 1] + grid[2] * inverse[a, 2]) ** 2 for a in range(3))
        k2[k2 == 0] = np.inf
        reference = 4 * np.pi / k2 * np.exp(-k2 / (4 * mesh.alpha**2))
        k2[np.isinf(k2)] = 0.0
        reference2 += k2 * reference**2
        u2_sum += u2
        u2k2 += u2 * k2
        cross += u2 * k2 * reference
        if not m.any():
            centre = reference
    green = centre * w[0][:, None, None] * w[1][None, :, None] * w[2][None, None, :]
    functional = np.sum(fold * np.maximum(reference2 + green**2 * u2_sum * u2k2 - 2 * green * cross, 0.0))
    volume = abs(np.linalg.det(cell))
    q2 = COULOMB * float(np.sum(charges**2))
    return float(q2 / volume * np.sqrt(functional / len(charges)))
