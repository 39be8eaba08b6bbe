"""The destinations of `nodelog greet`."""
