"""Keys of clients: the first answer of a call is kept, and given again instead of a second effect."""
