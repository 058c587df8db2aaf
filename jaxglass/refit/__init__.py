"""Change the potential until the simulated glass scatters like the measured one, and say what the data cannot tell."""
