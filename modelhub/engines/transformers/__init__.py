"""The transformers engine: models that run in this process."""
