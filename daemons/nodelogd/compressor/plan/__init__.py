"""Plan an archive: which files changed, how much of each is archived, which units are copied."""
