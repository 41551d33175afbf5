"""The Follow tab: several studies of one patient in order of date."""
