"""The file store: a directory that the agents of one machine share."""

from vipagent_file.driver import FileDriver

__all__ = ["FileDriver"]
