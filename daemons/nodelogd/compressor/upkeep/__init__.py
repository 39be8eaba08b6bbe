"""Upkeep of the archives: their names, lock, retention and scrubs."""
