"""The Pixian API: the client, its inputs and its credentials."""
