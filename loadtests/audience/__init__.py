"""What engagement reports against what really happened, and what it costs.

`visits.py` plans an audience, `scripted.py` plays it, `truth.py` compares it with what `measure.py` was told;
`server_cost.py` is what a real server's audience costs, `metered.py` that server, `cost.py` counting alone;
`nodes.py` is 100,000 viewers on 20 machines, `year.py` a dashboard's questions about a year of 100 streams.
"""
