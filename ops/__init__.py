"""Running it: `cli.py` is the command, `server.py` builds and owns everything else."""
