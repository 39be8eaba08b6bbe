"""Shared by all daemons: options, HTTP pages, health, logging, sockets, signals and publishing of files."""
