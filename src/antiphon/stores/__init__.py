"""Where shared state lives: a Redis or Valkey server, embedded by default."""
