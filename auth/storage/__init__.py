"""Where things are kept: the database's common ground, and bounded memories beside it."""
