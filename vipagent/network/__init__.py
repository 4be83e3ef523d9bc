"""What the kernel knows of the network: carrier of the interfaces, routes, local addresses (N3)."""
