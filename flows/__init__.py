"""Prefect flows and the command line: wiring only."""

import os

TAG = "tyre3d"
"""Tag of all runs: servers and workers watch over these, since others may send no heartbeats."""

for _name, _value in {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}.items():
    os.environ.setdefault(_name, _value)  # whichever program runs a flow, Prefect asks nobody
