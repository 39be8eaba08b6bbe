"""The agent's HTTP pages, and the server that serves them."""
