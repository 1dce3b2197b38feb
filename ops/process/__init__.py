"""The process itself: its logs, memory and event loop, and a configuration that changes while it runs."""
