"""The format of an archive: deflate pieces, tar headers, units, and the table of members."""
