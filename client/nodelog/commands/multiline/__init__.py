"""Records of several lines, such as tracebacks, as one line: `record_rules` says which lines belong together.

`record_joiner` joins them, within limits.
"""
