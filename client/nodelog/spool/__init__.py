"""Where lines wait until a collector has them: in memory, or in a file that outlives the process.

`blocks` is what a spool is made of, `memory` keeps it, `file` also in SQLite (`opening` finds out what the
file is, `lock` lets one process in, `orphans` takes over what forked children left).
"""
