"""From a test set to tables, statistics and plots."""
