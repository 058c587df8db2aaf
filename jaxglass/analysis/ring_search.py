"""Shortest rings through a bond (Guttman) or through two bonds of a former (King) of the infinite net.

A ring leaves a former, its root, by one oxygen and comes back by another. Let S be the formers behind the oxygens by
which it may leave, T those behind the oxygens by which it may return, and d the smallest number of links between S and
T on paths that avoid the root:

    size = d + 2 formers

Guttman: T behind one oxygen, S behind all others. King: S and T behind one oxygen each, for every two of them.
Distances grow from S and from T, one link at a time, until they meet. A shortest path has one former in S, one in T and
no oxygen twice, so it closes to a ring whatever the number of formers on its oxygens. An image of the root is another
former: a path to it has wound round the cell and is no ring.
Sources: L. Guttman, J. Non-Cryst. Solids 116, 145 (1990); S. V. King, Nature 213, 1112 (1967).
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from jaxglass.analysis.network import Bridge, Network

Codes = tuple[int, ...]


class Front(NamedTuple):
    """Formers by distance, in links, from those behind `oxygens` of a `root`; more `levels` are added on demand."""

    root: int
    oxygens: frozenset[int]
    levels: list[set[int]]


class Found(NamedTuple):
    """`shortest` (P,) ring by bond of the net, 0 for none; `rings` (former, oxygen, former, ...), repeats included."""

    shortest: np.ndarray
    rings: list[Codes]


def guttman(net: Network, max_size: int) -> Found:
    """The shortest rings through each bond; bonds that share their rings are searched once."""
    shortest, rings = np.zeros(len(net.bonds.center), int), []
    done: set[int] = set()
    for root, bridges in enumerate(net.bridges):
        for bridge in bridges:
            if done.isdisjoint(bridge.twins):
                others = [b for b in bridges if b is not bridge]
                found = _rings(net, _front(root, others), _front(root, [bridge]), max_size)
                shortest[list(bridge.twins)] = len(found[0]) // 2 if found else 0
                rings += found
                done.update(bridge.twins)
    return Found(shortest, rings)


def king(net: Network, max_size: int) -> Found:
    """The shortest rings through each two bonds of a former."""
    none = max_size + 1
    shortest, rings = np.full(len(net.bonds.center), none), []
    for root, bridges in enumerate(net.bridges):
        fronts = [_front(root, [b]) for b in bridges]
        for p, q in combinations(range(len(bridges)), 2):
            found = _rings(net, fronts[p], fronts[q], max_size)
            if found:
                used = [*bridges[p].twins, *bridges[q].twins]
                shortest[used] = np.minimum(shortest[used], len(found[0]) // 2)
                rings += found
    return Found(np.where(shortest < none, shortest, 0), rings)


def _front(root: int, bridges: Sequence[Bridge]) -> Front:
    """The formers behind `bridges`."""
    start = {root + former for b in bridges for former in b.formers}
    return Front(root, frozenset(root + b.oxygen for b in bridges), [start])


def _rings(net: Network, s: Front, t: Front, max_size: int) -> list[Codes]:
    """All shortest rings of at most `max_size` formers that leave the root of `s` and `t` by one and return by the
    other."""
    i = j = 0
    while s.levels[i].isdisjoint(t.levels[j]):
        if i + j + 2 == max_size or not (s.levels[i] and t.levels[j]):
            return []
        if len(s.levels[i]) <= len(t.levels[j]):
            i += 1
            _grow(net, s, i)
        else:
            j += 1
            _grow(net, t, j)
    return [
        (s.root, *left[::-1], *right[1:])
        for middle in s.levels[i] & t.levels[j]
        for left in _ways_back(net, s, i, middle)
        for right in _ways_back(net, t, j, middle)
    ]


def _grow(net: Network, front: Front, level: int) -> None:
    """Make sure that `front` has this level: formers one link further out that were not met before."""
    levels = front.levels
    if level == len(levels):
        atoms, steps = net.atoms, net.steps
        further = {node + step for node in levels[-1] for step in steps[node % atoms]}
        further.difference_update(*levels[-2:], (front.root,))
        levels.append(further)


def _ways_back(net: Network, front: Front, level: int, middle: int) -> list[Codes]:
    """Every shortest path (former, oxygen, ..., former, oxygen) from `middle`, at this level, back to the root."""
    atoms, links = net.atoms, net.links
    paths: list[Codes] = [(middle,)]
    for inner in front.levels[:level][::-1]:
        paths = [
            (*path, path[-1] + oxygen, path[-1] + former)
            for path in paths
            for oxygen, former in links[path[-1] % atoms]
            if path[-1] + former in inner
        ]
    return [
        (*path, path[-1] + oxygen)
        for path in paths
        for oxygen, former in links[path[-1] % atoms]
        if path[-1] + former == front.root and path[-1] + oxygen in front.oxygens
    ]
