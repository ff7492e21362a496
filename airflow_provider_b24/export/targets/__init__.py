"""Where the rows of a list go: database tables."""
