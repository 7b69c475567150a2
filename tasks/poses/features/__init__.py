"""Learned features: detection, description and matching of image points."""
