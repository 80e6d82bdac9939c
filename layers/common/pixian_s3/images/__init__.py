"""Image files: what they are, and how they become what Pixian takes."""
