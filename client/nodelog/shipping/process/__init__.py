"""How a shipper lives in a program's process, from its first line to its end.

`shipping_thread` takes a driver's steps, and `wakeup` is how it waits. `fork_hooks` is what happens at forks;
`child_exit` and `program_end` tell that the process is about to end.
"""
