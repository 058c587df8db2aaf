"""Lithium borophosphate glasses, made and measured by differentiable molecular dynamics in JAX."""

__version__ = "0.1.0"
