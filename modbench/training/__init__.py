"""Examples to batches to an adapter, on transformers' Trainer and accelerate."""
