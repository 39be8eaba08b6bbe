"""The node agent: keeps the node's log daemons alive and watches them from the node's side."""
