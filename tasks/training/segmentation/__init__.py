"""Training of the tyre segmenter."""
