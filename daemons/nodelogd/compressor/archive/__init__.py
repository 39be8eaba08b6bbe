"""Write an archive: copy units of the previous one and compress the rest."""
