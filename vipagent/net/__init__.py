"""Networking code shared by checks and stores."""
