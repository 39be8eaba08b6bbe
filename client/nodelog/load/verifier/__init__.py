"""The verifier: reads back what a load sent and finds lost, doubled, torn and reordered lines."""
