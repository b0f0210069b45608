"""One file per server; each answers the three works the way its own documentation would write it."""
