"""The tables of the configuration file, one module each; `streamer.config` puts them together."""
