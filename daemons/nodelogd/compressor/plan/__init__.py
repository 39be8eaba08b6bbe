"""Planning: which files changed, what of each goes into the archive, which units are copied."""
