"""Where `nodelog greet` can send its lines."""
