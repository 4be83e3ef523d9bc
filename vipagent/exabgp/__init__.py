"""ExaBGP's API as seen by its process: commands out, replies and neighbour states in (E1-E5)."""
