"""Protocols: lists of stages and the few lines that read their results."""
