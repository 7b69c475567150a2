"""Fusing the fields of several frames into one closed, coloured surface in the tyre frame."""
