"""Who may do what, for the server and for the commands: `auth`, put together from the configuration."""
