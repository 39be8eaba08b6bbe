"""Writing an archive: the units of the previous one copied, the rest compressed."""
