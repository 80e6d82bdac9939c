"""The Pixian API: the call, what it takes and what its answers mean."""
