"""Images: reading, writing, drawing."""
