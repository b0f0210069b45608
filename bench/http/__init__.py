"""What one HTTP call costs: the same three works on every server, interleaved, server and load on different cores."""
