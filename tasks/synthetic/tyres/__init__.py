"""Geometry of generated tyres and wheels."""
