"""The local world: a fake Pixian and a local AWS, on this machine."""
