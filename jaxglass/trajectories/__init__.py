"""Frames of any program, read strictly: extended XYZ, LAMMPS dump and data, plain or compressed.

Whatever is read is what the file says: a file that is cut, mislabelled or contradicts itself ends in one
`InputDataError` with file and line. Frames are counted from 0, as in the setting `analyse.frames`.
"""

from jaxglass.trajectories.reading import Reading, read_trajectory
