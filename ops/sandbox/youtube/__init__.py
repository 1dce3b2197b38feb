"""The YouTube face: Google's OAuth 2.0 and the live part of the YouTube Data API v3.

oauth.py is accounts.google.com and oauth2.googleapis.com, face.py is youtube.googleapis.com; broadcast.py
has the life of a broadcast, drafts.py what a body may say, errors.py how Google refuses.
"""
