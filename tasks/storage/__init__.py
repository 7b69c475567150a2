"""Artifacts, inputs and results, on the local disk or in S3."""
