"""The side of lm-evaluation-harness: the `mod-hf` model type, its registration, and evaluation into records."""
