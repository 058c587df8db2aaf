"""What the health of a block tells: physics from which no run goes on, and lists or meshes that have to be larger."""

from dataclasses import replace

import numpy as np

from jaxglass.engine.plan import CHUNK, WINDOW, Lists, Plan, at_least, choose_lists, rounded_up
from jaxglass.errors import NumericalError
from jaxglass.model.pair_list import pair_list
from jaxglass.model.system import System
from jaxglass.simulation.block import BlockResult, Health

FASTEST_MOVE = 0.5  # A in one step
NEAR = 1.2  # A; no two ions of an oxide come closer
COLLAPSE = -200.0  # eV per atom: far below any oxide, so only a pair inside its core barrier gets there


def refuse_bad_physics(where: str, health: Health, result: BlockResult, samples: int) -> None:
    """`NumericalError` for energies or positions that are no numbers, an atom that moved more than `FASTEST_MOVE` in a
    step, or ions fallen into each other; not where an incomplete list may be to blame."""
    atom = int(health.fastest_atom)
    species = result.state.system.elements[int(result.state.system.species[atom])]
    if not bool(health.finite):
        if not health.excess > 0:  # otherwise the list is to blame: repeat with a better one
            raise NumericalError(
                f"{where}: energy or positions are not finite (atom {atom}, {species}); last good state kept"
            )
    elif float(health.fastest) > FASTEST_MOVE and not health.excess > 0:
        raise NumericalError(
            f"{where}: atom {atom} ({species}) moved {float(health.fastest):.2f} A in one step (limit "
            f"{FASTEST_MOVE} A); last good state kept; use a shorter time step or a better start"
        )
    else:
        lowest = float(np.min(np.asarray(result.samples.potential_energy)[:samples]))
        lowest /= len(result.state.system.species)
        if lowest < COLLAPSE:
            pair = closest_pair(result.state.system)
            raise NumericalError(
                f"{where}: {lowest:.0f} eV per atom: {pair} collapsed into each other; last good state kept"
            )


def closest_pair(system: System) -> str:
    """The two ions nearest to each other, in words."""
    fractional, cell = np.asarray(system.fractional), np.asarray(system.cell)
    near = pair_list(fractional, cell, NEAR)
    if not len(near.i):
        return "two ions"
    r = np.linalg.norm(near.vectors(fractional, cell), axis=1)
    k = int(r.argmin())
    i, j = int(near.i[k]), int(near.j[k])
    return f"atoms {i} ({system.symbols[i]}) and {j} ({system.symbols[j]}), {r[k]:.2f} A apart,"


def repaired(plan: Plan, health: Health, system: System) -> Plan | None:
    """A plan with lists that hold what the block needed, or None when those of `plan` did."""
    lists = larger(plan.lists, int(health.rows), int(health.run))
    if bool(health.coarse):
        lists = at_least(choose_lists(plan, np.asarray(system.cell) * 0.97, len(system.species)), lists)
    return replace(plan, lists=lists) if lists != plan.lists else None


def too_fast(health: Health) -> bool:
    """Whether atoms outran the list, or went where no number says how far."""
    return float(health.excess) > 0 or not bool(health.finite)


def larger(lists: Lists, rows: int, run: int) -> Lists:
    """`lists` themselves if they hold `rows` neighbours and `run` candidates, else with room for a quarter more."""
    return replace(
        lists,
        rows=lists.rows if rows <= lists.rows else rounded_up(1.25 * rows, CHUNK),
        windows=lists.windows if run <= WINDOW * lists.windows else rounded_up(1.25 * run, WINDOW) // WINDOW,
    )
