"""What a person does to a deployed stack, on this machine or in AWS."""
