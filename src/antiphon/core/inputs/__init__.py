"""Reads what a caller sends as what an action takes: one schema a signature, strict for JSON, lax for strings."""
