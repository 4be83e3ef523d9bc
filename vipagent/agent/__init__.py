"""The shell around the core: one asyncio loop that delivers events and executes actions (Shape 2)."""
