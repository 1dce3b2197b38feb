"""The Twitch face: id.twitch.tv's OAuth and as much of Helix as a relay needs.

oauth.py is the login, face.py is Helix; channel.py holds title, category and key, errors.py is how Twitch
refuses.
"""
