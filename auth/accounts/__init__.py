"""Users, service accounts and groups: how they come to be here, who is in which, which keys they have."""
