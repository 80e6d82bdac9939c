"""A page that shows results beside their originals: `make look`, and the end of `make demo`."""
