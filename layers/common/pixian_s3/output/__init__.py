"""The content of the output bucket: keys, metadata and documents."""
