"""What identity costs: sessions, tokens, keys and limits on a call, and what sign-ins do to everybody else."""
