"""Reads what a caller sends as what an action takes: one schema from the signature, strict for JSON, lax for strings."""
