"""Who may do what. Knows no media and no HTTP framework.

Rooms, each resting on those below it and on none beside it:

    platforms
    audit        signin
    access       accounts
    tokens       factors
    permissions
    storage      vault

Start with `access`, which decides, or with `signin`, where people come in.
"""
