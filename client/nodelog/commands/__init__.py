"""The sub-commands of `nodelog` that need only the standard library.

They are pipe, run, greet, status, spool, archive and tail.

`command_arguments` and `archive_arguments` define their options. `destinations` holds the ways in which
`greet` sends its lines, `stdio` reads and writes the standard streams, and `stop_signals` handles SIGTERM and
SIGINT.
"""
