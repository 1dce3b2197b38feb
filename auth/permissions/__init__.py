"""The words for who may do what: principals, actions and roles, patterns of streams, grants."""
