"""The server's logic: streams, what feeds them, what they feed, and the web faces. Start with `hub`."""
