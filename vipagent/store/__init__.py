"""The coordination store: what an agent asks of it, where keys lie, what values mean."""
