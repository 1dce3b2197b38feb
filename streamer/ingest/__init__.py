"""What feeds a stream: `srt.py` takes encoders that push, `pull.py` fetches from those that wait."""
