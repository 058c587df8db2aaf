"""What a file of measurements says of a glass: every result of sections 2.4 and 2.5 that it has data for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jaxglass.errors import InputDataError
from jaxglass.experiment.crack_resistance import CrackResistance, crack_resistance
from jaxglass.experiment.density import AIR, archimedes_density
from jaxglass.experiment.hardness import vickers_hardness
from jaxglass.experiment.measurement_file import Section, read_file
from jaxglass.experiment.propagation import Uncertain
from jaxglass.experiment.sepb import Beam, toughness_of_beams
from jaxglass.experiment.ultrasound import poisson_ratio, young_modulus

SECTIONS = ("density", "ultrasound", "hardness", "toughness", "crack_resistance")


@dataclass(frozen=True)
class LaboratoryGlass:
    """Results with standard uncertainties, None where the file has no data; `simulated` names a run directory.

    Density in g/cm3, E and hardness in GPa, K_Ic in MPa m^0.5, crack resistance in N.
    """

    name: str
    li2o: float | None
    simulated: Path | None
    density: Uncertain | None
    young_modulus: Uncertain | None
    poisson_ratio: Uncertain | None
    hardness: Uncertain | None
    toughness: Uncertain | None
    crack_resistance: CrackResistance | None


def read_glass(path: str | Path) -> LaboratoryGlass:
    """The glass in a file of measurements (docs/experiment.md).

    Raises `InputDataError`, naming file and key, for a file that cannot be used as it is.
    """
    path = Path(path)
    file = read_file(path)
    file.check((), ("name", "li2o_mol_percent", "simulated", *SECTIONS))
    parts = {key: file.section(key) for key in SECTIONS}
    if not any(parts.values()):
        raise InputDataError(f"{path}: holds no measurement; give one of {', '.join(SECTIONS)}")
    simulated = file.text("simulated")
    density = _density(parts["density"])
    young, poisson = _elastic(parts["ultrasound"], density)
    return LaboratoryGlass(
        name=file.text("name") or path.stem,
        li2o=file.number("li2o_mol_percent") if "li2o_mol_percent" in file.entries else None,
        simulated=path.parent / simulated if simulated else None,
        density=density,
        young_modulus=young,
        poisson_ratio=poisson,
        hardness=_hardness(parts["hardness"]),
        toughness=_toughness(parts["toughness"]),
        crack_resistance=_crack_resistance(parts["crack_resistance"]),
    )


@contextmanager
def _named(section: Section) -> Iterator[None]:
    """Refusals of the equations name the section they are about."""
    try:
        yield
    except InputDataError as error:
        raise InputDataError(f"{section.place}: {error}") from None


def _density(section: Section | None) -> Uncertain | None:
    """Archimedes' density, or the one that is given."""
    if section is None:
        return None
    if "density_g_per_cm3" in section.entries:
        section.check(("density_g_per_cm3",))
        return section.quantity("density_g_per_cm3")
    weighings = ("mass_in_air_g", "mass_in_liquid_g", "liquid_g_per_cm3")
    section.check(weighings, ("air_g_per_cm3", "density_g_per_cm3"))
    air = section.quantity("air_g_per_cm3") if "air_g_per_cm3" in section.entries else AIR
    in_air, in_liquid, liquid = (section.quantity(key) for key in weighings)
    with _named(section):
        return archimedes_density(in_air, in_liquid, liquid, air)


def _elastic(section: Section | None, density: Uncertain | None) -> tuple[Uncertain | None, Uncertain | None]:
    """Young's modulus, which needs the density, and Poisson's ratio, which does not."""
    if section is None:
        return None, None
    section.check(("longitudinal_m_per_s", "transversal_m_per_s"))
    velocities = section.quantity("longitudinal_m_per_s"), section.quantity("transversal_m_per_s")
    with _named(section):
        return young_modulus(density, *velocities) if density else None, poisson_ratio(*velocities)


def _hardness(section: Section | None) -> Uncertain | None:
    if section is None:
        return None
    section.check(("load_N", "diagonal_um"))
    return vickers_hardness(section.quantity("load_N"), section.quantity("diagonal_um"))


def _toughness(section: Section | None) -> Uncertain | None:
    if section is None:
        return None
    section.check(("span_mm", "tests"))
    beams = []
    for test in section.sections("tests"):
        keys = ("load_N", "thickness_mm", "width_mm", "precrack_mm")
        test.check(keys)
        beams.append(Beam(*(test.quantity(key) for key in keys)))
    span = section.quantity("span_mm")
    with _named(section):
        return toughness_of_beams(beams, span)


def _crack_resistance(section: Section | None) -> CrackResistance | None:
    if section is None:
        return None
    keys = ("load_N", "cracked_corners", "corners")
    section.check(keys)
    load, cracked, corners = (section.numbers(key) for key in keys)
    if not len(load) == len(cracked) == len(corners):
        raise InputDataError(f"{section.place}: {', '.join(keys)} must be lists of the same length")
    with _named(section):
        return crack_resistance(load, cracked, corners)
