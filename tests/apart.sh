#!/bin/sh
# Runs a command in a network of its own, where there is leave to make one. A browser gives up all that it loads when an
# interface comes or goes (ERR_NETWORK_CHANGED), as one does with each namespace that a test makes, and no port is anybody else's.
set -e
# With an interface, as WebRTC uses no loopback; it leads nowhere, and no route to it: names are not waited for.
made='
	ip link set lo up
	ip link add eth0 type veth peer name beyond
	ip addr add 192.0.2.2/24 dev eth0
	ip link set eth0 up
	ip link set beyond up'
unshare --net sh -ec "$made" 2>/dev/null || exec "$@"
exec unshare --net sh -ec "$made
	exec \"\$@\"" apart "$@"
