"""Compositions in whole atoms, and the random start."""

import numpy as np
import pytest

from jaxglass.errors import ConfigError
from jaxglass.model.composition import FORMAL_CHARGE, compose, compose_exactly
from jaxglass.model.pair_list import pair_list
from jaxglass.protocols.packing import CATION_CATION, CATION_OXYGEN, OXYGEN_OXYGEN, random_packing


@pytest.mark.parametrize("li2o", [38.0, 40.0, 42.5, 45.0])
@pytest.mark.parametrize("n_atoms", [864, 9720])
def test_neutral_and_close(li2o, n_atoms):
    found = compose(li2o, n_atoms)
    assert sum(FORMAL_CHARGE[e] * n for e, n in found.counts.items()) == 0
    assert abs(found.li2o - li2o) < 0.15
    assert abs(found.n_atoms - n_atoms) <= 0.02 * n_atoms


def test_paper_counts():
    assert compose(38.0, 9720).counts == {"Li": 1520, "B": 1240, "P": 1240, "O": 5720}


@pytest.mark.parametrize(
    ("li2o", "share", "name", "counts"),
    [
        (50.0, 0.0, "50Li2O-50P2O5", {"Li": 173, "P": 173, "O": 519}),
        (20.0, 1.0, "20Li2O-80B2O3", {"Li": 76, "B": 304, "O": 494}),
        (30.0, 4 / 7, "30Li2O-40B2O3-30P2O5", {"Li": 105, "B": 140, "P": 105, "O": 525}),
    ],
)
def test_off_the_line_of_the_paper(li2o, share, name, counts):
    found = compose(li2o, 864, share)
    assert (found.label, found.counts) == (name, counts)
    assert sum(FORMAL_CHARGE[e] * n for e, n in found.counts.items()) == 0
    assert compose_exactly(li2o, found.n_atoms, share).counts == counts


def test_a_share_that_few_atoms_cannot_have():
    with pytest.raises(ConfigError, match="b2o3_share"):
        compose(40.0, 864, 1.2)
    with pytest.raises(ConfigError, match="nearest neutral"):
        compose(40.0, 40, 0.31)


@pytest.mark.parametrize(
    ("li2o", "n_atoms", "words"),
    [(-1.0, 900, "between 0 and 99"), (120.0, 900, "120"), (42.7, 12, "855 atoms"), (38.0, 2, "at least 8")],
)
def test_refused(li2o, n_atoms, words):
    with pytest.raises(ConfigError, match=words):
        compose(li2o, n_atoms)


def test_packing_has_no_overlap_and_the_stated_density():
    system = random_packing(compose(38.0, 651), 2.3, seed=4)
    assert float(system.density) == pytest.approx(2.3, rel=1e-9)
    fractional, cell = np.asarray(system.fractional), np.asarray(system.cell)
    pairs = pair_list(fractional, cell, CATION_CATION)
    r = np.linalg.norm(pairs.vectors(fractional, cell), axis=1)
    oxygen = (np.asarray(system.species) == system.elements.index("O")).astype(int)
    kind = oxygen[pairs.i] + oxygen[pairs.j]
    for count, contact in ((0, CATION_CATION), (1, CATION_OXYGEN), (2, OXYGEN_OXYGEN)):
        assert r[kind == count].min(initial=contact) > contact - 0.25


def test_packing_repeats_with_its_seed():
    first, again, other = (np.asarray(random_packing(compose(38.0, 651), 2.3, seed).fractional) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_density_out_of_range():
    with pytest.raises(ConfigError, match="start_density"):
        random_packing(compose(38.0, 651), 7.0, seed=0)
