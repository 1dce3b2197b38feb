"""The process itself: logs, memory, event loop, supervisor, and a configuration that changes meanwhile."""
