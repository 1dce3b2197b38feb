"""What Prometheus is told: `registry.py` has the process and the streams, the others a part each."""
