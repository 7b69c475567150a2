"""All tests; what the environment must say before numpy and torch are imported."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    # each core has a worker already; threads of small products wait for each other, busily
    os.environ.setdefault(_name, "1")
