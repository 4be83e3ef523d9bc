"""The Debian package: built, checked and installed in new roots of Debian 13."""
