"""The client of nodelog. It goes into other people's programs, so it needs the standard library alone."""

__version__ = "0.1.0"
