"""The finished mesh: file and preview."""
