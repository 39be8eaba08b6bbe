"""Look after the archives: their names, lock, retention and scrubs."""
