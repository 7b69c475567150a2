"""The stages of the pipeline: one module each, a pure function below every Prefect task."""

import os

# Threads of libgomp (PyTorch's, pycolmap's) wait for each other by counting to 300,000, unless they
# know of more threads than cores. Beside another program the one waited for has no core meanwhile:
# the segmenter then took twelve times as long as with this count, and alone takes as long.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
