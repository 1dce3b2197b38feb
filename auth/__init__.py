"""Who may do what. Knows no media and no HTTP framework."""
