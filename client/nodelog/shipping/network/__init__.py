"""How a shipper reaches a collector: names, connections, and paths that have died.

`name_lookup` finds the addresses of a host without holding anything up, `tcp_connection` is one connection
that never blocks, and `path_check` notices that the kernel at its other end does not answer any more.
"""
