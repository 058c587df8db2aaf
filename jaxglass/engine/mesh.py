"""Reciprocal Coulomb sum on a mesh: P3M with B-splines and analytic differentiation, any cell.

Charges are spread with cardinal B-splines of order p on M1 x M2 x M3 points, one FFT gives rho(k), and

    E = (2 pi k_e/V) sum_{k!=0} w(n) exp(-k^2/4 alpha^2)/k^2 |rho(k)|^2,   w(n) = prod_a U_a^2 / (sum_m U_a^2)^2

with U = sinc(pi n/M)^p and m over aliases (the energy-optimal influence function: Hockney & Eastwood 1981;
Ballenegger, Cerda & Holm, J. Chem. Theory Comput. 8 (2012) 936). A charge on a mesh feels
its own cloud: a lone one has |rho(k)|^2 = prod_a [s_a + 2 sum_j h_ja cos(2 pi j u_a)] with s = sum_m U_m^2,
h_j = sum_m U_m U_{m+j} and u its place between mesh points. The first harmonic of each axis is taken off |rho(k)|^2
(as LAMMPS does with `kspace_modify diff ad`). Forces are the exact position derivative of what remains; w and h depend
only on the mesh, so with the mesh fixed in fractional coordinates the stress below is its exact strain derivative.
Indices: i atoms; a, b axes; m aliases; n mesh wave numbers.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass.engine.shards import share
from jaxglass.model.cell import cell_volume, inverse
from jaxglass.units import COULOMB


class Mesh(NamedTuple):
    """Shape of the mesh, order of the B-splines and the Ewald splitting alpha (1/A). Static."""

    shape: tuple[int, int, int]
    order: int
    alpha: float


class MeshForces(NamedTuple):
    """Forces on the atoms of this device (n, 3) in eV/A; energy (eV) and its strain derivative (3, 3) of all atoms."""

    forces: Array
    energy: Array
    strain_derivative: Array


def spline_weights(u: Array, order: int) -> tuple[Array, Array]:
    """Cardinal B-spline weights of fractions `u` (...) in [0, 1) and their derivatives, (..., p) each.

    Weight m belongs to mesh point floor(x) - order + 1 + m. Written out, the recursion of Essmann et al. (1995) costs
    the compiler minutes when it is differentiated twice; its polynomials cost nothing.
    """
    pieces = spline_pieces(order)
    slopes = np.arange(1, order)[:, None] * pieces[1:]
    return _polynomials(pieces, u), _polynomials(slopes, u)


@lru_cache
def spline_pieces(order: int) -> np.ndarray:
    """Coefficients of the weights in t = u - 1/2, (power, m), by the recursion of Essmann et al. (1995)."""
    u, zero = np.poly1d([1, 0.5]), np.poly1d([0.0])
    weights = [1 - u, u]
    for n in range(3, order + 1):
        padded = [zero, *weights, zero]
        weights = [((u + (n - 1 - m)) * padded[m] + ((m + 1) - u) * padded[m + 1]) / (n - 1) for m in range(n)]
    return np.array([[w[k] for w in weights] for k in range(order)])


def _polynomials(coefficients: np.ndarray, u: Array) -> Array:
    """Values at `u` (...) of the polynomials in u - 1/2 whose `coefficients` are (power, m), (..., m)."""
    t = u[..., None] - 0.5
    value = jnp.broadcast_to(jnp.asarray(coefficients[-1], u.dtype), (*u.shape, coefficients.shape[1]))
    for row in coefficients[-2::-1]:
        value = value * t + jnp.asarray(row, u.dtype)
    return value


@lru_cache
def influence_weights(size: int, order: int) -> np.ndarray:
    """Axis factor U^2/(sum over aliases of U^2)^2 of w(n) for all n of one axis, (M,), host."""
    n = np.fft.fftfreq(size, 1 / size)[:, None]
    aliases = n + size * np.arange(-6, 7)[None, :]
    u2 = np.sinc(aliases / size) ** (2 * order)
    return u2[:, 6] / u2.sum(1) ** 2


@lru_cache
def own_cloud(size: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors s(n) and 2 h_1(n) of a lone charge's |rho(k)|^2 for all n of one axis, (M,) each, host."""
    n = np.fft.fftfreq(size, 1 / size)[:, None]
    u = np.sinc((n + size * np.arange(-6, 8)[None, :]) / size) ** order
    return (u**2).sum(1), 2 * (-1) ** order * (u[:, :-1] * u[:, 1:]).sum(1)


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


class Stencil(NamedTuple):
    """Where the splines of each atom lie: `start` (N, 3) first point on the padded mesh, `between` (N, 3) the place
    u_a between points, `weights` and `slopes` per axis (N, p)."""

    start: Array
    between: Array
    weights: tuple[Array, Array, Array]
    slopes: tuple[Array, Array, Array]


def stencil(mesh: Mesh, fractional: tuple[Array, Array, Array], dtype) -> Stencil:
    """Splines of atoms at `fractional`, three arrays (N,)."""
    size = jnp.asarray(mesh.shape, fractional[0].dtype)
    x = jnp.stack(fractional, 1)
    x = (x - jnp.floor(x)) * size
    base = jnp.minimum(jnp.floor(x), size - 1)
    between = (x - base).astype(dtype)
    weights, slopes = spline_weights(between, mesh.order)  # (N, 3, p)
    wx, wy, wz = (weights[:, a] for a in range(3))
    dx, dy, dz = (slopes[:, a] for a in range(3))
    return Stencil(base.astype(jnp.int32), between, (wx, wy, wz), (dx, dy, dz))


def spread(mesh: Mesh, at: Stencil, charge: Array) -> Array:
    """Charge density on the mesh: the block of order^3 points of every atom, added on a mesh with low padding."""
    padding = mesh.order - 1
    empty = jnp.zeros([m + padding for m in mesh.shape], charge.dtype)
    wx, wy, wz = at.weights
    block = (mesh.order,) * 3

    def one_after_another(padded, start, x, y, z):  # on a CPU ten times faster than a scatter
        def add_atom(i, padded):
            first = (start[i, 0], start[i, 1], start[i, 2])
            cloud = x[i][:, None, None] * y[i][:, None] * z[i]
            here = jax.lax.dynamic_slice(padded, first, block)
            return jax.lax.dynamic_update_slice(padded, here + cloud, first)

        return jax.lax.fori_loop(0, len(start), add_atom, padded)

    def at_once(padded, start, x, y, z):
        clouds = x[:, :, None, None] * y[:, None, :, None] * z[:, None, None, :]
        axes = jax.lax.ScatterDimensionNumbers((1, 2, 3), (), (0, 1, 2))
        return jax.lax.scatter_add(padded, start, clouds, axes, mode="promise_in_bounds")

    padded = jax.lax.platform_dependent(
        empty, at.start, charge[:, None] * wx, wy, wz, cpu=one_after_another, default=at_once
    )
    for axis, size in enumerate(mesh.shape):  # what fell on the low padding belongs to the high end
        low, inside = jnp.split(padded, [padding], axis)
        padded = inside + jnp.pad(low, [(size - padding, 0) if a == axis else (0, 0) for a in range(3)])
    return padded


def interpolate(mesh: Mesh, at: Stencil, potential: Array) -> Array:
    """The potential on the mesh at every atom, (N,)."""
    padding = mesh.order - 1
    padded = jnp.pad(potential, [(padding, 0)] * 3, mode="wrap")

    def value(atom):
        start, (wx, wy, wz) = atom
        phi = jax.lax.dynamic_slice(padded, (start[0], start[1], start[2]), (mesh.order,) * 3)
        return wx @ (phi @ wz @ wy)

    return _for_each_atom(value, (at.start, at.weights))


def gather(mesh: Mesh, at: Stencil, potential: Array) -> Array:
    """Gradient of the interpolated potential with respect to mesh coordinates, (N, 3)."""
    padding = mesh.order - 1
    padded = jnp.pad(potential, [(padding, 0)] * 3, mode="wrap")

    def gradient(atom):
        start, (wx, wy, wz), (dx, dy, dz) = atom
        phi = jax.lax.dynamic_slice(padded, (start[0], start[1], start[2]), (mesh.order,) * 3)
        along, slope = jnp.sum(phi * wz, 2), jnp.sum(phi * dz, 2)
        y, dphi_y, z = (jnp.sum(part, 1) for part in (along * wy, along * dy, slope * wy))
        return jnp.stack([jnp.sum(dx * y), jnp.sum(wx * dphi_y), jnp.sum(wx * z)])

    return _for_each_atom(gradient, (at.start, at.weights, at.slopes))


def _for_each_atom(function: Callable, atoms: tuple) -> Array:
    """One after another on a CPU, where that is faster and compiles in half the time; all at once elsewhere."""
    return jax.lax.platform_dependent(
        atoms, cpu=lambda atoms: jax.lax.map(function, atoms), default=lambda atoms: jax.vmap(function)(atoms)
    )


def own_modes(mesh: Mesh, dtype) -> list[tuple[Array, Array, Array]]:
    """For each axis a the factors along x, y, z of 2 h_1a prod_{b != a} s_b, half mesh, folded."""
    fold = half_mesh_fold(mesh.shape[2])
    modes = []
    for a in range(3):
        factors = [own_cloud(m, mesh.order)[int(b == a)] for b, m in enumerate(mesh.shape)]
        x, y, z = (jnp.asarray(f, dtype) for f in (factors[0], factors[1], factors[2][: len(fold)] * fold))
        modes.append((x, y, z))
    return modes


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
    derivative are zeros (they cost two more passes over the mesh). Spline order from 3 upwards. Every device fills and
    transforms the whole mesh: an exchange would take longer. Only gathering is divided.
    """
    charge = charges.astype(dtype)
    at = stencil(mesh, fractional, dtype)
    density_k = jnp.fft.rfftn(spread(mesh, at, charge))
    green, k, k2 = reciprocal_terms(mesh, cell, dtype)
    scale = (4 * np.pi * coulomb_constant / cell_volume(cell)).astype(dtype)
    potential = jnp.fft.irfftn(density_k * (green * (scale * math.prod(mesh.shape))), s=mesh.shape)
    modes = own_modes(mesh, dtype)
    own = scale * jnp.stack([jnp.einsum("xyz,x,y,z->", green, *mode) for mode in modes])  # E of q = 1: sum_a own/2 cos
    mine = share(shards, len(charge)).atoms
    near = jax.tree.map(lambda x: x[mine], at) if shards > 1 else at
    slope = gather(mesh, near, potential)
    slope = slope + np.pi * charge[mine, None] * own * jnp.sin(2 * np.pi * near.between)
    per_axis = -charge[mine, None] * slope * jnp.asarray(mesh.shape, dtype)  # dE/d fractional, sign of a force
    forces = per_axis.astype(cell.dtype) @ inverse(cell).T
    if not derivatives:
        return MeshForces(forces, jnp.zeros((), cell.dtype), jnp.zeros((3, 3), cell.dtype))
    fold = jnp.asarray(half_mesh_fold(mesh.shape[2]), dtype)
    cosines = charge**2 @ jnp.cos(2 * np.pi * at.between)
    clouds = sum(c * jnp.einsum("x,y,z->xyz", *mode) for c, mode in zip(cosines, modes, strict=True))
    energies = (scale / 2) * green * (fold * (density_k.real**2 + density_k.imag**2) - clouds)
    total = jnp.sum(energies, dtype=cell.dtype)
    return MeshForces(forces, total, _strain_derivative(mesh, energies, k, k2, cell.dtype))


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
