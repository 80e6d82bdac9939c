"""Generate parts of the docs and of the template from the code, and scan the template."""
