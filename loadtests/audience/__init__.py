"""What engagement reports against what really happened, and what it costs.

`scripted.py` is an audience whose every arrival is known, `cost.py` what a second costs at 2,000 viewers,
`nodes.py` 100,000 viewers on 20 machines, `year.py` the questions of a dashboard about a year of 100 streams.
"""
