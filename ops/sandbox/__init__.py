"""`streamer sandbox`: stand-ins for YouTube, Facebook and Twitch, with a real RTMP(S) sink behind them.

To try relays without an account, and to test them. Each face speaks its platform's own API: OAuth 2.0 with
pages for a browser, the calls that going live takes, and the platform's own error bodies. What the sink
receives moves their state, so that a wrong order fails here as it does there. Nothing leaves this machine.

    clock       wall-clock time that can be put forward
    parties     the accounts that can be chosen, the apps that may ask
    oauth       grants, codes and tokens, for all three; devices.py their device codes, consent.py the pages
    reception   what one stream key received; ingest.py is the sink itself
    quota       Google's units; faults.py breaks things on request; calls.py remembers what was asked
    youtube, facebook, twitch
    control     how tests and operators look behind the scenes
    app         puts it together; read it next
"""
