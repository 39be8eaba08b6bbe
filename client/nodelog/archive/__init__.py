"""Log archives: a `.tar.gz` that any tar reads, and the index beside it that gives random access."""
