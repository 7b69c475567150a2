"""Frames and masks as a pinhole camera would have seen them."""
