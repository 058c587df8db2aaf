"""Trajectories whose answers are known: random walks, walks beside a framework, boxes that drift, ions that hop."""

from dataclasses import replace

import numpy as np

from jaxglass.model.trajectory import Trajectory

ELEMENTS = ("Li", "B", "P", "O")
EDGE = 20.0  # A


def walk(seed: int, atoms: int, frames: int, D: float = 1.0, spacing: float = 0.5, framework: int = 0) -> Trajectory:
    """`atoms` Li that walk with `D` (A^2/ps) and start anywhere; `framework` oxygens that rattle by 0.1 A."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, np.sqrt(2 * D * spacing), (frames, atoms, 3))
    steps[0] = rng.uniform(0, EDGE, (atoms, 3))
    still = rng.uniform(0, EDGE, (framework, 3)) + rng.normal(0, 0.1, (frames, framework, 3))
    positions = np.concatenate([np.cumsum(steps, axis=0), still], axis=1)
    return trajectory(positions, [0] * atoms + [3] * framework, spacing)


def trajectory(positions: np.ndarray, species: list[int], spacing: float, edge: float = EDGE) -> Trajectory:
    """Positions (F, N, 3) in A of atoms of `ELEMENTS[species]` in a cube."""
    cell = np.tile(edge * np.eye(3), (len(positions), 1, 1))
    time = spacing * np.arange(len(positions))
    return Trajectory(time, positions / edge, cell, np.array(species), ELEMENTS)


def drifting(still: Trajectory, velocity: tuple[float, float, float]) -> Trajectory:
    """The same with all atoms moving at `velocity` (fractional per ps) besides."""
    return replace(still, fractional=still.fractional + np.outer(still.time, velocity)[:, None])


def wrapped_with_images(whole: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """Fractional coordinates in [0, 1) and the image flags that were taken off."""
    images = np.floor(whole.fractional)
    return whole.fractional - images, images.astype(int)


def dump_lines(whole: Trajectory, columns: str) -> str:
    """A LAMMPS dump with times: "xu yu zu", or "x y z ix iy iz" with the coordinates wrapped."""
    lines = []
    inside, images = wrapped_with_images(whole)
    for k, time in enumerate(whole.time):
        edges = np.diag(whole.cell[k])
        lines += ["ITEM: UNITS", "metal"] if k == 0 else []
        lines += [
            "ITEM: TIME",
            f"{float(time)!r}",
            "ITEM: TIMESTEP",
            f"{k}",
            "ITEM: NUMBER OF ATOMS",
            f"{len(whole.species)}",
        ]
        lines += ["ITEM: BOX BOUNDS pp pp pp", *(f"0 {edge!r}" for edge in edges.tolist())]
        lines += [f"ITEM: ATOMS id element {columns}"]
        places = (whole.fractional[k] if columns == "xu yu zu" else inside[k]) * edges
        for i, (symbol, place, image) in enumerate(zip(whole.symbols, places, images[k], strict=True)):
            flags = "" if columns == "xu yu zu" else " " + " ".join(map(str, image.tolist()))
            lines.append(f"{i + 1} {symbol} " + " ".join(f"{x!r}" for x in place.tolist()) + flags)
    return "\n".join(lines) + "\n"


def glass_with_walkers(
    structure: tuple[np.ndarray, np.ndarray, np.ndarray], D: float, seed: int, frames: int = 500
) -> Trajectory:
    """A glass (species, fractional, cell) whose Li hop by 2.6 A, as often as `D` (A^2/ps) asks. All atoms rattle."""
    species, fractional, cell = structure
    rng, spacing = np.random.default_rng(seed), 0.5
    lithium = species == 0
    size = np.where(lithium, 0.25, 0.1)[:, None]
    hops = rng.normal(size=(frames, len(species), 3))
    hops *= 2.6 / np.linalg.norm(hops, axis=2, keepdims=True)
    happens = (rng.random((frames, len(species))) < 6 * D * spacing / 2.6**2) & lithium
    moved = np.cumsum(hops * happens[:, :, None], axis=0) + rng.normal(size=(frames, len(species), 3)) * size
    return Trajectory(
        spacing * np.arange(frames),
        fractional + moved @ np.linalg.inv(cell),
        np.tile(cell, (frames, 1, 1)),
        species,
        ELEMENTS,
    )
