"""Synthetic tyres with exact geometry: generator, renderer, videos and training data."""
