"""ExaBGP as its API process sees it: commands out, replies and neighbour states in (E1-E5)."""
