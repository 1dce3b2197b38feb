"""The Facebook face: Facebook Login and the live part of the Graph API.

oauth.py is the login, face.py the graph; live_video.py has the life of a live video with its 24-hour and
8-hour rules, fields.py reads `fields=`, errors.py is how Facebook refuses.
"""
