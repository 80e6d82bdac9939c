"""Operator commands for a deployed stack, on this machine or in AWS."""
