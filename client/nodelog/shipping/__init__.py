"""How lines come to a collector and stay until it has them.

`lines` makes lines of what programs say, `intake` takes them in, a spool keeps them, `courier` decides what
to send when and what an answer means, `flight` is what one connection has under way. `carrier` puts these
together, `runner` adds the connection (`link`) and the time. `shipper` lets a thread run it, which does its
`waiting`, `async_shipper` an event loop. `handler` is for `logging`.
"""
