"""Olympus, the reference backend built on Antiphon."""
