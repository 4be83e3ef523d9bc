"""Sphinx builds the site from the same Markdown that a repository's browser shows."""

from vipagent import __version__

project = "vipagent"
version = release = __version__
extensions = ["myst_parser"]
exclude_patterns = ["example-backend"]
myst_heading_anchors = 3
"""As the browsers of repositories have them: `page.md#a-heading`."""
html_theme = "furo"
html_title = f"vipagent {version}"
html_copy_source = False
html_show_copyright = False
