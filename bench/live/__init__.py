"""What sockets cost: calls, fan-out, idle and stalled clients, the same on every server, in interleaved rounds."""
