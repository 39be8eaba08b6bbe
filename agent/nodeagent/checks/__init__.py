"""The checks: each examines one thing on the node at an interval and reports what is wrong with it."""
