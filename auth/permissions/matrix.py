"""The table of who may do what over which protocol, rendered from what the checks use.

`python -m auth.permissions.matrix > auth/permissions/PERMISSIONS.md` writes the documentation anew; a test
fails when it is old.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from auth.permissions.actions import Action, Role, actions_of
from auth.permissions.protocols import PROTOCOLS, Protocol

MEANINGS: dict[Action, str] = {
    Action.PUBLISH: "push into a stream",
    Action.WATCH: "see its picture and hear its sound",
    Action.LISTEN: "hear its sound alone",
    Action.MANAGE: "relays, recordings, statistics, ending sessions",
    Action.ADMIN: "accounts, grants, configuration",
    Action.AUDIT: "read the audit log",
}

_INTRODUCTION = """\
# Who may do what

Nothing is allowed without a grant, but to watch and hear a stream that is configured `public`. A grant
gives a principal (user, service account or group) a role or a single action on the streams of a pattern: a
stream's name, the beginning of one with a star (`studio-*`), or `*` for every stream and the server as a
whole. Upper and lower case differ. Besides grants, a stream's publish key allows `publish` on that stream,
and a token what is written in it, as long as its issuer may do that himself. Who is granted `watch` may
`listen`.
"""


def render() -> str:
    """The whole page, in Markdown."""
    roles = [
        [f"`{action}`", MEANINGS[action], *("yes" if action in actions_of(role) else "" for role in Role)]
        for action in Action
    ]
    protocols = [
        [f"`{action}`", *("yes" if protocol in PROTOCOLS[action] else "" for protocol in Protocol)]
        for action in Action
    ]
    return "\n".join(
        (
            _INTRODUCTION,
            *_table(["action", "is to", *Role], roles),
            "",
            "Over which protocol an action can be asked for; anywhere else it is refused:",
            "",
            *_table(["action", *(protocol.upper() for protocol in Protocol)], protocols),
            "",
        )
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def main() -> None:
    """Write the page to standard output."""
    sys.stdout.write(render())


if __name__ == "__main__":
    main()
