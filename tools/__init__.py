"""What maintains the repository: generators of docs and of the template's schema, and its scan."""
