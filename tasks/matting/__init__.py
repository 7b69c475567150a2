"""Foreground from background."""
