"""The report of one run: its numbers beside the paper and experiment, figures, one self-contained page."""
