"""Find the log files of a directory and read them while other programs write them."""
