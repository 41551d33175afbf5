"""A folder → cases."""
