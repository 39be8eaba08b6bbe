"""The store: the log file and its journal on disk, recovered at startup and appended to by one thread."""
