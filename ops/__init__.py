"""Running it: `cli.py` is the command, `server.py` builds and owns everything else.

Rooms, each resting on those below it and on none beside it:

    metrics
    components
    identity
    storage    certificates    process
    migrations

Apart from them are `commands`, which stand on `identity`, and `sandbox`, which stands on nothing here.
"""
