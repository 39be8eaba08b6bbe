"""The network side of the collector: sockets, protocols, and the event loop that reads them."""
