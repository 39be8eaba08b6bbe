"""A load generator for collectors, and a verifier that proves that every line of a load is in their files.

It is installed with the extra `tools`. Nothing outside of this package needs it, and modules that need rich
or hdrhistogram are imported only when a command runs, so that the client works with the standard library
alone.
"""
