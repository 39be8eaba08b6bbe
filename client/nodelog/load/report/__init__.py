"""The figures of a load as text, JSON and an HTML page."""
