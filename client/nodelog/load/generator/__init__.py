"""The load generator: sends numbered lines from several processes."""
