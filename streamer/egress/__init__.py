"""What a stream feeds: `webrtc/` sends it to browsers."""
