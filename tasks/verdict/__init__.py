"""Whether a mesh can be trusted: evidence, thresholds, and what to film again."""
