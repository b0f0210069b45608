"""Measurements anyone can run: Antiphon beside its peers, on the same work, in one run."""
