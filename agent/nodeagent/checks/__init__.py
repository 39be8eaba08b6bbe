"""Checks: each looks at one thing on the node, again and again, and reports what is wrong with it."""
