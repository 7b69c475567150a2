"""The command that generates shards, which makes small ones.

The processes of its pool import what was run, and with it this change.
"""

from tasks.synthetic.datasets import dataset
from tests.tasks.training.tiny import SMALL

dataset.ShardConfig = lambda: SMALL  # type: ignore[assignment, misc]

if __name__ == "__main__":
    dataset.main()
