"""Prefect flows and the command line: wiring only."""

TAG = "tyre3d"
"""Of all runs: servers and workers watch over these, since others may send no heartbeats."""
