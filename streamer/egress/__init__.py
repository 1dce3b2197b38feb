"""What a stream feeds: `webrtc/` sends it to browsers, `srt/` to whoever calls for it over SRT."""
