"""Files of results that other programs wrote → values."""
