"""The log daemons of a node: `logd` collects, `logcd` compresses."""
