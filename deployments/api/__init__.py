"""The service for a backend: reconstructions over HTTP, as runs of a Prefect deployment."""
