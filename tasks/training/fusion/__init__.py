"""Training of the fusing network."""
