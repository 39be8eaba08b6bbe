"""How lines get to a collector, and where they stay until it has acknowledged them.

A line enters through a `shipper` (thread), an `async_shipper` (event loop) or the `logging_handler`:
`line_splitting` makes it one line, `line_queue` takes it in. The `engine` moves lines from the queue into a
spool and from there into a `delivery_session`, which decides what to send and what an ack means; `window` is
what is unacknowledged, `quarantine` finds the block that collectors die of. The `driver` adds connections
(`network`, `addresses`) and time. `process` is how a thread runs it, in whatever process it finds itself;
`loop_runner` is how an event loop does.
`settings` and `stats` are what goes in from the program and what it gets to see.
"""
