"""Ready-made features, built from the public API alone."""
