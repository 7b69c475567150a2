"""Rendering of generated tyres: environments, light, cameras, videos."""
