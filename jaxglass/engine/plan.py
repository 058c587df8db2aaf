"""The static choices of a run: cutoffs, Coulomb splitting, mesh, list capacities. Host code, printed with results."""

import math
import os
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from jaxglass.engine.ewald import real_space_alpha
from jaxglass.engine.mesh import Mesh, rms_force_error
from jaxglass.errors import ConfigError, ResourceError
from jaxglass.model.pair_list import widths
from jaxglass.units import COULOMB

# fmt: off
MESH_SIZES = (
    12, 15, 16, 18, 20, 24, 25, 27, 30, 32, 36, 40, 45, 48, 50, 54, 60, 64, 72, 75,
    80, 90, 96, 100, 108, 120, 125, 128, 135, 144, 150, 160, 180, 192, 200, 216, 240, 256,
)
# fmt: on
LARGEST_MESH = 40_000_000  # points; about 1 GB of work arrays in float32
CHUNK = 8  # neighbour rows per fused pass of the kernel
DEPTH = 3  # grid cells that a list reaches on each side of an atom's own
WINDOW = 32  # candidates looked at together: the bits of a word
LARGEST_SKIN = 0.9  # A, that lists are planned for
ALPHA_STEP = 1 / 256  # 1/A, and
VOLUME_STEP = 1 / 64  # octaves, to which alpha and largest volume are rounded up: cells nearly alike share programs


@dataclass(frozen=True)
class Lists:
    """Shapes of the neighbour list: cell grid (1 along an axis that is not divided), windows per run of cells, rows."""

    grid: tuple[int, int, int]
    windows: int
    rows: int


@dataclass(frozen=True)
class Plan:
    """Everything static about the engine for one system. Lengths in A.

    `relative_accuracy` as in LAMMPS (of the force between unit charges at 1 A); the mesh keeps it up to
    `largest_volume` (A^3).
    """

    cutoff: float
    coulomb_cutoff: float
    mesh: Mesh
    lists: Lists
    orthorhombic: bool
    precision: str
    relative_accuracy: float
    largest_volume: float
    shards: int = 1

    @property
    def accuracy(self) -> float:
        """RMS force error asked for (eV/A)."""
        return self.relative_accuracy * COULOMB

    @property
    def dtype(self) -> type:
        """Arithmetic of pairs and mesh; state and sums of energies are float64."""
        return np.float32 if self.precision == "mixed" else np.float64

    @property
    def reach(self) -> float:
        """Distance up to which pairs interact."""
        return max(self.cutoff, self.coulomb_cutoff)


def choose_mesh(cell: np.ndarray, charges: np.ndarray, alpha: float, accuracy: float) -> Mesh:
    """The cheapest mesh (spline order 4, 6 or 8) whose expected RMS force error is `accuracy` (eV/A) or better.

    Raises `ConfigError` when no mesh below the size cap reaches it.
    """
    lengths = np.linalg.norm(cell, axis=1)
    tried = dict.fromkeys(_mesh_shape(lengths, spacing) for spacing in np.geomspace(1.6, 0.15, 60))
    shapes = [shape for shape in tried if shape is not None]
    candidates: list[tuple[float, Mesh]] = []
    # even orders vectorise well; the first keeps the coarsest mesh, so later ones stop where they cost more
    for order in (8, 6, 4):
        meshes = [Mesh(shape, order, alpha) for shape in shapes]
        meshes = [m for m in meshes if not any(_mesh_cost(m, len(charges)) >= cost for cost, _ in candidates)]
        k = bisect_left(meshes, True, key=lambda mesh: rms_force_error(mesh, charges, cell) <= accuracy)
        if k < len(meshes):
            candidates.append((_mesh_cost(meshes[k], len(charges)), meshes[k]))
    if not candidates:
        raise ConfigError(
            f"engine.coulomb_accuracy: {accuracy:.1e} eV/A "
            f"needs a mesh above {LARGEST_MESH:.0e} points; ask for less accuracy"
        )
    return min(candidates)[1]


def _mesh_shape(lengths: np.ndarray, spacing: float) -> tuple[int, int, int] | None:
    """The smallest FFT-friendly shape with points at most `spacing` (A) apart; None beyond the size cap."""
    found = [next((size for size in MESH_SIZES if size >= length / spacing), 0) for length in lengths]
    shape = (found[0], found[1], found[2])
    return shape if 0 < math.prod(shape) <= LARGEST_MESH else None


def _mesh_cost(mesh: Mesh, n_atoms: int) -> float:
    """Nanoseconds per step of one core: transforms; spreading and gathering."""
    return 12 * math.prod(mesh.shape) + (210 + 1.2 * mesh.order**3) * n_atoms


def make_plan(
    cell: np.ndarray,
    charges: np.ndarray,
    cutoff: float,
    accuracy: float = 1e-5,
    precision: str = "mixed",
    coulomb_cutoff: float | None = None,
    volume_margin: float = 1.0,
    shards: int = 1,
) -> Plan:
    """Plan the engine for atoms with `charges` (N,) in `cell`.

    `accuracy` is LAMMPS's relative one: RMS force error over the force of two unit charges at 1 A. The real-space
    Coulomb cutoff defaults to the Buckingham cutoff: those pairs are visited anyway. `volume_margin` > 1 sizes
    mesh and accuracy for a cell that may grow by that factor. `shards` devices divide the atoms.
    """
    if not 1e-9 <= accuracy <= 1e-2:
        raise ConfigError(f"engine.coulomb_accuracy = {accuracy}: must lie between 1e-9 and 1e-2")
    if precision not in ("mixed", "float64"):
        raise ConfigError(f"engine.precision = '{precision}': must be mixed or float64")
    if precision == "mixed" and accuracy < 5e-7:
        raise ConfigError(
            f"engine.coulomb_accuracy = {accuracy}: below what float32 arithmetic reaches (5e-7); "
            "set engine.precision=float64"
        )
    target = accuracy * COULOMB
    coulomb_cutoff = coulomb_cutoff or cutoff
    largest = cell * volume_margin ** (1 / 3)
    alpha = real_space_alpha(coulomb_cutoff, 0.55 * target, charges, abs(np.linalg.det(cell)))
    alpha = ALPHA_STEP * math.ceil(alpha / ALPHA_STEP)
    mesh = choose_mesh(largest, charges, alpha, 0.7 * target)
    orthorhombic = bool(np.allclose(cell, np.diag(np.diag(cell)), atol=1e-12 * np.abs(cell).max()))
    volume = float(abs(np.linalg.det(cell))) * volume_margin * 1.01
    volume = 2 ** (VOLUME_STEP * math.ceil(math.log2(volume) / VOLUME_STEP))
    plan = Plan(cutoff, coulomb_cutoff, mesh, Lists((1, 1, 1), 0, 0), orthorhombic, precision, accuracy, volume, shards)
    return replace(plan, lists=choose_lists(plan, cell, len(charges)))


def choose_lists(plan: Plan, cell: np.ndarray, n_atoms: int, slack: float = 1.25) -> Lists:
    """Cell grid and capacities for a list with the largest skin, with `slack` for fluctuations and compression."""
    reach = plan.reach + LARGEST_SKIN
    expected = n_atoms / abs(np.linalg.det(cell)) * 4 / 3 * math.pi * reach**3 * slack + 8
    rows = rounded_up(min(expected, n_atoms - 1), CHUNK)
    side = np.floor(widths(cell) / (reach / DEPTH)).astype(int)
    grid = tuple(int(s) if s > 2 * DEPTH else 1 for s in side)
    stencil = [2 * DEPTH + 1 if g > 1 else 1 for g in grid]
    run = n_atoms * stencil[2] / math.prod(grid)
    windows = rounded_up(min(run + 2.5 * math.sqrt(run) + 2, n_atoms), WINDOW) // WINDOW
    everyone = rounded_up(n_atoms, WINDOW) // WINDOW
    if everyone <= stencil[0] * stencil[1] * windows:
        return Lists((1, 1, 1), everyone, rows)
    return Lists((grid[0], grid[1], grid[2]), windows, rows)


def rounded_up(size: float, unit: int) -> int:
    """The smallest positive multiple of `unit` that is at least `size`."""
    return max(1, -(-math.ceil(size) // unit)) * unit


def at_least(fresh: Lists, old: Lists) -> Lists:
    """`fresh` with no fewer rows than `old`, nor windows if the grid is the same."""
    windows = max(fresh.windows, old.windows) if fresh.grid == old.grid else fresh.windows
    return Lists(fresh.grid, windows, max(fresh.rows, old.rows))


def common_plan(plans: Sequence[Plan]) -> Plan:
    """One plan for several cells: the mesh of the largest, the coarsest grid (valid for all), room for the most."""
    largest = max(plans, key=lambda plan: plan.largest_volume)
    lists = min((plan.lists for plan in plans), key=lambda lists: math.prod(lists.grid))
    for plan in plans:
        lists = at_least(lists, plan.lists)
    return replace(largest, lists=lists, orthorhombic=all(plan.orthorhombic for plan in plans))


def largest_reach(cell: np.ndarray) -> float:
    """Half the smallest perpendicular width (A): the limit of the nearest-image convention."""
    return float(widths(cell).min() / 2)


def memory_estimate(n_atoms: int, number_density: float, reach: float) -> float:
    """Bytes at the peak of a block: the list while it grows and when finished, mesh and stencils."""
    pairs = 4 / 3 * math.pi * number_density * 1.25 * (reach + LARGEST_SKIN) ** 3
    return n_atoms * (2 * 4 * pairs + 6 * 8 * 60 + 8 * 150)


def check_memory(n_atoms: int, number_density: float, reach: float) -> None:
    """`ResourceError` with the estimate when the run cannot fit into the memory of this machine."""
    needed = memory_estimate(n_atoms, number_density, reach)
    present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > 0.9 * present:
        raise ResourceError(
            f"glass.n_atoms = {n_atoms}: needs about {needed / 1e9:.1f} GB of memory, "
            f"this machine has {present / 1e9:.1f} GB; "
            "use fewer atoms"
        )
