"""What a checkpoint folder of each origin becomes: one file an origin."""
