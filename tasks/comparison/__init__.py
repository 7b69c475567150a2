"""What changed between two reconstructions of one tyre: alignment, measurement, findings."""
