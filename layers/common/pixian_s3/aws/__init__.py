"""AWS behind plain interfaces: data in, data out, and errors that name the cause."""
