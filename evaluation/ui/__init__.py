"""The Evaluate tab, its web API, and what they are made of."""
