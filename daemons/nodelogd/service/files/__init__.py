"""Files of the daemons: published whole, trusted only if they are their own, compressed, and kept within a budget."""
