"""The outer surface of a tyre: its profile, heights over it, and where outlines touch it."""
