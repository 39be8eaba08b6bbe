"""RELP as nodelog speaks it, both sides of it: bytes in, events out, no socket and no clock.

`frames` cuts bytes into frames, `offers` is what the two sides agree on, `server` and `client` are the sides
of one connection, `detection` tells RELP from plain lines. docs/protocol.md is the protocol in full.
"""
