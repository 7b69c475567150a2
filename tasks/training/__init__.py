"""Training of the bundled tyre model."""
