"""Supervision: starts the daemons of a node, restarts them, and ends them with the agent."""
