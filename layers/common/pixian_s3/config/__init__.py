"""The configuration document: its parameters, its checks and its JSON schema."""
