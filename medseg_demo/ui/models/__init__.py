"""The Models tab: every checkpoint with its card, and how one is added: from files to a result, and into its place."""
