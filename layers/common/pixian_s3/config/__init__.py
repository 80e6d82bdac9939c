"""The configuration document: its parameters, validation and JSON schema."""
