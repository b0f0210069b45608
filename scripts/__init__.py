"""The repository's own tools: what `make` calls to check, lock and draw it."""
