"""HTTPS and its certificates, from files or from an ACME server. Start with `https.py`."""
