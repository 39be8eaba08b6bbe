"""The verifier: reads the files of a collector and finds every line of a load in them."""
