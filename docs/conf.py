"""Configuration of Sphinx, which builds the site from the Markdown files of the repository."""

from vipagent import __version__

project = "vipagent"
version = release = __version__
extensions = ["myst_parser"]
exclude_patterns = ["example-backend"]
myst_heading_anchors = 3
"""Anchors as on repository web pages: `page.md#a-heading`."""
html_theme = "furo"
html_title = f"vipagent {version}"
html_copy_source = False
html_show_copyright = False
