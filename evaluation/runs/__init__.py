"""One evaluation run: a request → predictions → scores → rows on disk."""
