"""The embedded store: a directory that the agents of one machine share."""

from vipagent_file.backend import FileBackend

__all__ = ["FileBackend"]
