"""What lets strangers use the page: whose a file is, what is let in, and how much of it."""
