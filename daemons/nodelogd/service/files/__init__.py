"""Files of the daemons: published whole, checked to be their own, compressed, kept within a budget."""
