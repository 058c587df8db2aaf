"""Running stages: the compiled block, the one loop around it, checkpoints and the run directory."""
