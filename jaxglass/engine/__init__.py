"""Energies and forces: the exact reference (`ewald`, `energy`) and the hot path (`kernel`, `mesh`, `neighbors`)."""
