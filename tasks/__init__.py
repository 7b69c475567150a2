"""The stages of the pipeline: one module each, a pure function below every Prefect task."""
