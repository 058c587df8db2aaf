"""Comparison with other programs and other derivations; imports jaxglass, never the reverse."""
