"""Equations of motion as pure steps: NVE, NVT, NPT (Nose-Hoover chains) and FIRE minimisation."""
