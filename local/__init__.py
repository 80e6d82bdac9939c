"""What runs on the developer's machine in place of the cloud."""
