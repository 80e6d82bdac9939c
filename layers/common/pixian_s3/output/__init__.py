"""What is written to the output bucket, and under which keys."""
