"""Training of the reconstruction network."""
