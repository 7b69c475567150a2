"""Measuring reconstructions against known geometry."""
