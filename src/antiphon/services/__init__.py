"""What an action can lean on: the database, sessions, identity, logs and counters."""
