"""The pipeline: carries received lines from the event loop to the store in batches, and syncs them."""
