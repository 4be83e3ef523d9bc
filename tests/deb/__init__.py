"""The Debian package: built, checked and installed in roots of Debian 13 that are made for it."""
