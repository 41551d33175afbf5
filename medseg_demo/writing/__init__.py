"""Results → files."""
