"""`logcd`, the compressor: a tarball of all logs of a directory, made anew for the price of the new bytes."""
