"""Where lines wait until a collector has them: in memory, or in a file that outlives the process.

`blocks` is what a spool consists of, `spool` what every spool does. `memory_spool` is the one in memory,
`file_spool` the one in SQLite: `spool_database` opens and checks the file, `spool_lock` admits one process,
`fork_guard` delays forks, `orphans` takes over what forked children left. `process_files` gives each of
several processes a file of its own. `inspection` only reads, `set_aside` takes out what was set aside.
"""
