"""Numbers about results, from numbers: no files, no models."""
