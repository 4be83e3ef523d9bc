"""What couples services, ExaBGP's conversation, neighbours and the store's wishes, sans-I/O (Shape 2)."""
