"""The decision without a fusing network: weights set by hand."""
