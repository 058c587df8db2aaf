"""task=benchmark: LAMMPS, stock jax-md and jaxglass in turn on one configuration, and where the time goes.

The parent process (`task`, `comparison`, `profile`) never runs dynamics itself: every program is timed in a process of
its own, pinned to the same cores, so that they can take turns and a busy machine slows all of them alike.
"""
