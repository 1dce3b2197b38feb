"""What matters for speed, measured: `python -m loadtests.NAME`. `rig/` starts what takes part in it."""
