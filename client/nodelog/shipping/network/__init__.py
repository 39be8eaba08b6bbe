"""How a shipper reaches a collector: names, connections, and paths that have died.

`name_lookup` finds the addresses of a host without holding anything up, `tcp_connection` is one connection
that never blocks, on a socket that is used only as long as it is ours (`own_socket`), and `path_check`
notices that the kernel at its other end does not answer any more.
"""
