"""One file a model or a law; each registers its cases (tests/validation/registry.py)."""
