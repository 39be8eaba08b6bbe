"""Standard input, output and error of the commands."""
