"""Sealed log files: compressed in the background, removed when the disk budget requires it."""
