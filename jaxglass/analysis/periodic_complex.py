"""Exact weighted alpha complex of a periodic structure: images around the cell, then a quotient by the lattice.

1. Every image x_i + s L (s integer) within a margin M of the cell, M measured perpendicular to its faces.
2. Weighted alpha complex of this finite set (`analysis.alpha_complex`).
3. Of each class of simplices that differ by a lattice translation, keep the one whose vertex of lowest atom index
   lies in the cell (s = 0); replace images by their atoms.

Proof, made anew for every structure; w_max is the largest weight:

- Local: the empty ball of a simplex of value f lies within sqrt(f + w_i) + sqrt(f + w_max) of each of its vertices i.
  Where this reach stays inside the cell with its margin, no atom that was left out could change the simplex, so it
  belongs to the infinite complex.
- Simplicial: no simplex has a vertex twice and no two have the same atoms. Otherwise the cell is too small.
- Complete: every triangle has exactly two tetrahedra and n0 - n1 + n2 - n3 = 0. A closed part of a triangulated
  3-torus is all of it.

Below alpha_max the first holds for every simplex as soon as M >= 2 sqrt(alpha_max + w_max); nothing has to close, so
cells with vacuum are served too. Indices: i atoms; p simplices; s lattice shifts.
"""

from itertools import product
from typing import NamedTuple

import numpy as np

from jaxglass.analysis.alpha_complex import Simplices, alpha_complex
from jaxglass.errors import InputDataError
from jaxglass.model.pair_list import widths

STEP = 4.0  # A, by which the margin grows when the proof fails
LARGEST = 14.0  # A, a structure that needs more has an empty ball of about 7 A: vacuum


class Lifted(NamedTuple):
    """The n simplices of one dimension k: `atoms` (n, k + 1) ascending, their lattice `shift` (n, k + 1, 3) for the
    fractional coordinates exactly as given, and filtration `values` (n,) in A^2.
    """

    atoms: np.ndarray
    shift: np.ndarray
    values: np.ndarray

    @property
    def simplices(self) -> Simplices:
        """The simplices of the quotient, without their shifts."""
        return Simplices(self.atoms, self.values)


class PeriodicComplex(NamedTuple):
    """Vertices, edges, triangles, tetrahedra in `simplices`, made with images up to `margin` (A)."""

    simplices: tuple[Lifted, ...]
    margin: float


class _Images(NamedTuple):
    """`fractional` (n, 3) of every image, the atom that owns it (n,) and its shift (n, 3)."""

    fractional: np.ndarray
    owner: np.ndarray
    shift: np.ndarray


def periodic_complex(
    fractional: np.ndarray, cell: np.ndarray, weights: np.ndarray, margin: float, alpha_max: float | None
) -> PeriodicComplex:
    """Complex of atoms at `fractional` (N, 3) in `cell` (3, 3) with `weights` (N,) in A^2.

    `margin` (A) is where the search begins. `InputDataError` if no margin up to `LARGEST` makes the complex
    valid.
    """
    if alpha_max is not None:
        margin = max(margin, 2 * np.sqrt(alpha_max + weights.max()))
    while True:
        lifted = _quotient(fractional, cell, weights, margin, alpha_max)
        if alpha_max is not None:
            problem = _not_simplicial(lifted)
            break
        beyond = _not_local(lifted, fractional, cell, weights, margin)
        problem = beyond or _not_simplicial(lifted) or _not_closed(lifted)
        if not problem or margin + STEP > LARGEST:
            break
        margin += STEP
    if problem:
        raise InputDataError(f"persistent homology: {problem} (images up to {margin:.1f} A)")
    return PeriodicComplex(lifted, margin)


def _images(home: np.ndarray, cell: np.ndarray, margin: float) -> _Images:
    """Every image of the atoms at `home`, in [0, 1), within `margin` of the cell; the atoms themselves first."""
    reach = margin / widths(cell)
    spans = [range(-int(np.ceil(m)), int(np.ceil(m)) + 1) for m in reach]
    points, owners, shifts = [home], [np.arange(len(home))], [np.zeros((len(home), 3), int)]
    for shift in product(*spans):
        if any(shift):
            image = home + shift
            near = np.flatnonzero(np.all((image >= -reach) & (image <= 1 + reach), axis=1))
            points.append(image[near])
            owners.append(near)
            shifts.append(np.broadcast_to(shift, (len(near), 3)))
    return _Images(np.concatenate(points), np.concatenate(owners), np.concatenate(shifts))


def _quotient(
    fractional: np.ndarray, cell: np.ndarray, weights: np.ndarray, margin: float, alpha_max: float | None
) -> tuple[Lifted, ...]:
    """Steps 1 to 3 of the module's recipe."""
    wrap = -np.floor(fractional).astype(int)
    images = _images(fractional + wrap, cell, margin)
    found = alpha_complex(images.fractional @ cell, weights[images.owner], alpha_max)
    return tuple(_one_of_each_class(simplices, images, wrap) for simplices in found)


def _one_of_each_class(simplices: Simplices, images: _Images, wrap: np.ndarray) -> Lifted:
    """The simplices whose vertex of lowest atom index lies in the cell."""
    atoms = images.owner[simplices.vertices]
    lowest = np.take_along_axis(simplices.vertices, atoms.argmin(1)[:, None], 1)[:, 0]
    kept = np.flatnonzero(~images.shift[lowest].any(1))
    order = np.argsort(atoms[kept], axis=1, kind="stable")
    vertices = np.take_along_axis(simplices.vertices[kept], order, 1)
    atoms = images.owner[vertices]
    return Lifted(atoms, images.shift[vertices] + wrap[atoms], simplices.values[kept])


def _not_simplicial(lifted: tuple[Lifted, ...]) -> str | None:
    """What is wrong if images of one atom meet in the complex."""
    advice = "the cell is too small, replicate it first"
    for simplices in lifted[1:]:
        repeated = np.flatnonzero((np.diff(simplices.atoms, axis=1) == 0).any(1))
        if len(repeated):
            return f"atom {simplices.atoms[repeated[0], 0]} touches its own image; {advice}"
        if len(np.unique(simplices.atoms, axis=0)) < len(simplices.atoms):
            return f"some atoms meet in more than one way; {advice}"
    return None


def _not_local(
    lifted: tuple[Lifted, ...], fractional: np.ndarray, cell: np.ndarray, weights: np.ndarray, margin: float
) -> str | None:
    """What is wrong if atoms beyond the margin could matter: a ball of a tetrahedron reaches them."""
    tetrahedra = lifted[3]
    depth = (fractional[tetrahedra.atoms] + tetrahedra.shift) * widths(cell)  # from the lower face of each axis
    room = np.minimum(depth, widths(cell) - depth).min(-1) + margin  # (n, 4)
    value = tetrahedra.values[:, None]
    reach = np.sqrt(value + weights[tetrahedra.atoms]) + np.sqrt(value + weights.max())
    beyond = (reach > room).all(1)
    if beyond.any():
        return "empty balls reach beyond the images around the cell; set alpha_max for a structure with vacuum"
    return None


def _not_closed(lifted: tuple[Lifted, ...]) -> str | None:
    """What is wrong if the quotient is no triangulated 3-torus."""
    triangles, tetrahedra = lifted[2].atoms, lifted[3].atoms
    faces = np.concatenate([np.delete(tetrahedra, corner, axis=1) for corner in range(4)])
    shared, tetrahedra_of = np.unique(faces, axis=0, return_counts=True)
    euler = sum((-1) ** k * len(simplices.values) for k, simplices in enumerate(lifted))
    if len(shared) == len(triangles) and (tetrahedra_of == 2).all() and euler == 0:
        return None
    return "the images do not close to a torus; set alpha_max for a structure with vacuum, replicate a small cell"
