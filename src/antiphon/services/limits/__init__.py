"""How often callers may call: limits counted in the store, by one process alone while it is away, and the lockout."""
