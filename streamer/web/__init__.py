"""The HTTP faces: WHEP, API and pages. The only place that knows HTTP status codes. Start with `app.py`."""
