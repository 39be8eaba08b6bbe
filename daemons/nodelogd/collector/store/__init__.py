"""The store: the log file and its journal on disk, recovered at start, appended to by one thread."""
