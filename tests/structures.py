"""Structures with known answers that the tests of analysis share: crystals, molecules, random mixtures.

Each is (symbols, fractional (N, 3), cell (3, 3) in A).
"""

import itertools

import numpy as np

from jaxglass.model.trajectory import Trajectory

ELEMENTS = ("Li", "B", "Si", "P", "O")
TRICLINIC = np.array([[3.9, 0.0, 0.0], [1.1, 4.3, 0.0], [-0.9, 0.7, 4.1]])


def frames(symbols: list[str], fractional: np.ndarray, cell: np.ndarray, count: int = 1) -> Trajectory:
    """`count` equal frames of one structure."""
    return Trajectory(
        time=np.arange(count, dtype=float),
        fractional=np.repeat(np.asarray(fractional, float)[None], count, 0),
        cell=np.repeat(np.asarray(cell, float)[None], count, 0),
        species=np.array([ELEMENTS.index(s) for s in symbols]),
        elements=ELEMENTS,
    )


def lithium_oxide() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Antifluorite, a = 4.619 A: LiO4 tetrahedra, OLi8 cubes."""
    quarter = [0.25, 0.75]
    lithium = list(itertools.product(quarter, quarter, quarter))
    oxygen = [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
    return ["Li"] * 8 + ["O"] * 4, np.array(lithium + oxygen), 4.619 * np.eye(3)


def boron_phosphate() -> tuple[list[str], np.ndarray, np.ndarray]:
    """BPO4 (I-4): corner-sharing BO4 and PO4, every oxygen bridging."""
    x, y, z = 0.138, 0.260, 0.128
    oxygen = [(x, y, z), (-x, -y, z), (y, -x, -z), (-y, x, -z)]
    sites = [(0, 0, 0), (0, 0.5, 0.25), *oxygen]
    fractional = np.array(sites + [tuple(np.add(s, 0.5)) for s in sites])
    return ["P", "B", *"OOOO"] * 2, fractional, np.diag([4.3404, 4.3404, 6.6502])


def primitive_boron_phosphate() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Half of the body-centred cell of BPO4."""
    symbols, fractional, cell = boron_phosphate()
    primitive = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2 @ cell
    return symbols[:6], fractional[:6] @ cell @ np.linalg.inv(primitive), primitive


def alpha_quartz() -> tuple[list[str], np.ndarray, np.ndarray]:
    """SiO2 (P3_121), a = 4.9134, c = 5.4052 A; Levien, Prewitt & Weidner, Am. Mineral. 65, 920 (1980)."""
    u, (x, y, z) = 0.4697, (0.4135, 0.2669, 0.2144)
    silicon = [(u, 0, 1 / 3), (0, u, 2 / 3), (-u, -u, 0)]
    oxygen = [(x, y, z), (-y, x - y, z + 1 / 3), (y - x, -x, z + 2 / 3)]
    oxygen += [(y, x, -z), (x - y, -y, 2 / 3 - z), (-x, y - x, 1 / 3 - z)]
    cell = np.array([[4.9134, 0, 0], [-4.9134 / 2, 4.9134 * np.sqrt(0.75), 0], [0, 0, 5.4052]])
    return ["Si"] * 3 + ["O"] * 6, np.array(silicon + oxygen), cell


def alpha_cristobalite() -> tuple[list[str], np.ndarray, np.ndarray]:
    """SiO2 (P4_12_12), a = 4.9717, c = 6.9223 A; Downs & Palmer, Am. Mineral. 79, 9 (1994)."""

    def orbit(x, y, z):
        turned = [(x, y, z), (-x, -y, z + 1 / 2), (1 / 2 - y, x + 1 / 2, z + 1 / 4), (y + 1 / 2, 1 / 2 - x, z + 3 / 4)]
        return turned + [(b, a, -c) for a, b, c in turned]

    oxygen = orbit(0.2392, 0.1044, 0.1787)
    return ["Si"] * 4 + ["O"] * 8, np.array(orbit(0.3003, 0.3003, 0)[:4] + oxygen), np.diag([4.9717, 4.9717, 6.9223])


def supercell(symbols, fractional, cell, n: int | tuple[int, int, int]):
    """n x n x n or n_x x n_y x n_z copies."""
    counts = np.broadcast_to(n, 3)
    shifts = np.array(list(itertools.product(*map(range, counts))))
    return (
        list(symbols) * len(shifts),
        (fractional[None] + shifts[:, None]).reshape(-1, 3) / counts,
        (cell.T * counts).T,
    )


def molecule(symbols: list[str], positions: np.ndarray, cell: np.ndarray):
    """Atoms at Cartesian positions."""
    return symbols, np.asarray(positions, float) @ np.linalg.inv(cell), cell


def random_network(seed: int, cell: np.ndarray, count: int):
    """A dense random mixture of B, P, Li and O."""
    rng = np.random.default_rng(seed)
    symbols = ["B", "O", *rng.choice(["Li", "B", "P", "O", "O"], count - 2)]
    return [str(s) for s in symbols], rng.uniform(-1, 2, (count, 3)), cell


def images_within(fractional, cell, cutoff):
    """Brute force: (i, j, shift, length) for every ordered pair, images up to six cells away."""
    shifts = np.array(list(itertools.product(range(-6, 7), repeat=3)))
    for i, j in itertools.product(range(len(fractional)), repeat=2):
        lengths = np.linalg.norm((fractional[j] + shifts - fractional[i]) @ cell, axis=1)
        for k in np.flatnonzero((lengths > 0) & (lengths < cutoff)):
            yield i, j, tuple(shifts[k].tolist()), lengths[k]
