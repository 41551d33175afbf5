"""Rows of any origin → one table → answers."""
