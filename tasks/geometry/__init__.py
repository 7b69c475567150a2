"""Cameras and coordinate frames."""
