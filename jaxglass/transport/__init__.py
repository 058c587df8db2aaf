"""The stage of a study in which lithium diffuses through a finished glass, from settings to results.json."""
