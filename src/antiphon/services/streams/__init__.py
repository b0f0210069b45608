"""Jobs and events on one engine: queues and logs on streams of the store, and the loops that work through them."""
