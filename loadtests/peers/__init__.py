"""Servers to let the crowd loose on: ours (`ours.py`) and others, each a `Subject` (`subject.py`)."""
