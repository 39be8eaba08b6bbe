"""Framings other than LF: messages that end with NUL, or that begin with their length."""
