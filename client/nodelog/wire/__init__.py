"""RELP as nodelog speaks it, client and server side: bytes in, events out, no socket and no clock.

`frames` splits bytes into frames, `offers` is what the two sides negotiate, `client_session` and
`server_session` are the two sides of one connection, `sniffing` tells RELP from plain lines.
docs/protocol.md describes the protocol in full.
"""
