"""One file per server; each does the works of sockets the way its own documentation would write it."""
