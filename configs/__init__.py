"""Settings, presets and the model registry."""
