"""Our own HTTP/1.1 server on uvloop and llhttp: sockets, connections, their bounds, and the processes around them."""
