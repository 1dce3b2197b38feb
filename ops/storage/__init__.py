"""Where things are kept: opening the database, and the vault that seals secrets in it."""
