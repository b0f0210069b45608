"""Access: permissions, the roles that hold them, and the rules that ask for them."""
