"""Benchmarks; each prints a table and JSON."""

import tasks as tasks  # before torch: it says how threads wait
