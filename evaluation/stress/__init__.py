"""Images that are made worse on purpose, by known amounts: what a checkpoint stands, and from where on it breaks."""
