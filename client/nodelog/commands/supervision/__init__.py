"""What `nodelog run` does with its command: starts it, passes signals on, reads its output, reaps processes.

`child_process` starts it, `signal_forwarding` owns the main thread while it runs, `command_output` is the
thread that moves its output into the spool, through `spool_writer`.
"""
