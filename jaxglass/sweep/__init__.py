"""Sweeps: many runs from one command, each in a process and a directory of its own, and what they say together."""
