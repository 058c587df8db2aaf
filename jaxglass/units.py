"""Units and constants (CODATA 2018). Inside: A, eV, ps, amu, e. Outside: K, GPa, g/cm3, cm2/s, S/cm."""

COULOMB = 14.399645478425668  # e^2 / (4 pi eps0), eV A
BOLTZMANN = 8.617333262e-5  # eV / K
AMU = 1.0364269656262175e-4  # amu A^2 / ps^2 in eV
GPA = 160.2176634  # eV / A^3 in GPa
G_PER_CM3 = 1.66053906660  # amu / A^3 in g/cm3
CM2_PER_S = 1e-4  # A^2 / ps in cm^2/s
S_PER_CM = 16.02176634  # e^2 / (eV A ps) in S/cm

#: Coulomb constant of LAMMPS `units metal`; for parity runs only.
COULOMB_LAMMPS = 14.399645
#: eV / A^3 in bar as LAMMPS `units metal` has it.
BAR_LAMMPS = 1602176.5
