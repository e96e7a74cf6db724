"""Validation, and checks for the losses of users."""
