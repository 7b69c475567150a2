"""Many tyres: inputs and manifest."""
