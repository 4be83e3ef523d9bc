"""What all connections to other programs share, whoever makes them."""
