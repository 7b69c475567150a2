"""What outlines, photos and fields say about every place around the tyre."""
