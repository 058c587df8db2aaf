"""Stages of a study that deform a finished glass: elastic constants and fracture, from settings to results.json."""
