"""What the flows need around the stages: runner, progress, summary."""
