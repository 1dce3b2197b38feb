"""What proves who somebody is: passwords, authenticator apps, passkeys, recovery codes."""
