"""Supervision: starts the daemons of a node, restarts them when they end, and stops them with the agent."""
