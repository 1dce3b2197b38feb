"""What a running server is made of, each put together from the configuration; `server.py` joins them."""
