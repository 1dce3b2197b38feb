from __future__ import annotations

from ops.identity import Identity
from tests.ops.commands.rig import Commands


def test_everything_is_sealed_anew(streamer: Commands) -> None:
    async def signer(identity: Identity) -> tuple[str, bytes, str]:
        key = identity.authority.snapshot.ring.signer
        return key.kid, key.secret, identity.vault.primary

    kid, secret, primary = streamer.look(signer)
    (line,) = streamer("keys", "rotate")
    assert line.startswith("1 secrets sealed anew")
    after = streamer.look(signer)
    assert after[:2] == (kid, secret)
    assert after[2] != primary
    assert streamer("audit", "verify") == ["whole: 1 entries"]
    assert len((streamer.path.parent / "state" / "master.key").read_text().split()) == 1
