"""Who may do what, over HTTP: each module is one subject, `office.py` what they share."""
