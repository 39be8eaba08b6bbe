"""The log as it grows, for readers over HTTP."""
