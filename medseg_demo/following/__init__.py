"""Several studies of one patient in order of date: what changed, how sure that is, and which lesions are which."""
