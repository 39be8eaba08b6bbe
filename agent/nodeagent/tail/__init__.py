"""The log as it grows: followed through rotation, encoded as an event stream, queued for a reader."""
