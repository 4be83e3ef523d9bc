"""The shell around the core: one asyncio loop that feeds it events and carries out its actions (Shape 2)."""
