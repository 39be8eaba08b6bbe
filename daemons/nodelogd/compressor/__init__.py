"""`logcd`, the compressor: a tarball of all logs of a directory, updated for the price of the new bytes."""
