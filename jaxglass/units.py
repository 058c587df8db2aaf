"""Units and constants (CODATA 2018). Inside: A, eV, ps, amu, e. Outside: K, GPa, g/cm3."""

COULOMB = 14.399645478425668  # e^2 / (4 pi eps0), eV A
BOLTZMANN = 8.617333262e-5  # eV / K
AMU = 1.0364269656262175e-4  # amu A^2 / ps^2 in eV
GPA = 160.2176634  # eV / A^3 in GPa
G_PER_CM3 = 1.66053906660  # amu / A^3 in g/cm3

#: Coulomb constant of LAMMPS `units metal`; for parity runs only.
COULOMB_LAMMPS = 14.399645
#: eV / A^3 in bar as LAMMPS `units metal` has it.
BAR_LAMMPS = 1602176.5
