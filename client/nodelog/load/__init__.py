"""A load of lines for a collector, and the proof that every one of them is in its files.

It comes with the extra `tools`. Nothing outside of this package needs it, and whatever needs rich or
hdrhistogram is imported when a command runs, so that the client works with the standard library alone.
"""
