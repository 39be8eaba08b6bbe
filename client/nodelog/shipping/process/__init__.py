"""How a shipper lives in a program's process, from its first line to its end.

`shipping_thread` takes a driver's steps, `wakeup` is how it waits, `child_exit` and `program_end` are how it
learns that the process is about to end.
"""
