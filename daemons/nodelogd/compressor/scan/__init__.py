"""Scanning: finds the log files of a directory and reads them while others write."""
