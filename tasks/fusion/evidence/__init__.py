"""What outlines, photos and fields say about every point around the tyre."""
