"""Passwords: hashed with argon2id in a bounded pool, and refused when they are common, breached or one's own name."""
