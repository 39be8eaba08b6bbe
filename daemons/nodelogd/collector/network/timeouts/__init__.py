"""Connections that are closed because nothing comes: from an idle client, or from the kernel of a dead peer."""
