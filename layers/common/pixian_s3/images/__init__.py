"""Image files: identify them, check them and convert them to formats that Pixian accepts."""
