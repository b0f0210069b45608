"""WebSockets as they stand on the wire (RFC 6455): handshake, frames, and a socket's life on three kinds of server."""
