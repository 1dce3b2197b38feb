from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from ops.components.preflight import find_missing
from streamer.config import parse
from streamer.errors import Finding
from tests.rigs.certificates import Authority


def findings(folder: Path, **tables: dict[str, Any]) -> list[Finding]:
    return find_missing(parse({"state": {"dir": str(folder / "state")}, **tables}))


def only_finding(folder: Path, **tables: dict[str, Any]) -> Finding:
    (finding,) = findings(folder, **tables)
    return finding


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    chain, key = Authority("Test").issue("live.example")
    (tmp_path / "cert.pem").write_bytes(chain)
    (tmp_path / "key.pem").write_bytes(key)
    return {"tls_cert": str(tmp_path / "cert.pem"), "tls_key": str(tmp_path / "key.pem")}


def test_nothing_is_missing_and_nothing_is_made(tmp_path: Path, certificate: dict[str, str]) -> None:
    assert findings(tmp_path, http=certificate) == []
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("key", ["tls_cert", "tls_key"])
def test_a_file_of_the_certificate_that_is_not_there(
    tmp_path: Path, certificate: dict[str, str], key: str
) -> None:
    finding = only_finding(tmp_path, http=certificate | {key: str(tmp_path / "none.pem")})
    assert (finding.key, finding.value) == (f"http.{key}", repr(str(tmp_path / "none.pem")))
    assert "no such file or directory" in finding.expected
    assert "PEM" in finding.expected


def test_a_key_of_another_certificate(tmp_path: Path, certificate: dict[str, str]) -> None:
    Path(certificate["tls_key"]).write_bytes(Authority("Other").issue("live.example")[1])
    finding = only_finding(tmp_path, http=certificate)
    assert finding.key == "http.tls_cert"
    assert "key values mismatch" in finding.expected


def test_a_database_of_places_that_is_not_there(tmp_path: Path) -> None:
    finding = only_finding(tmp_path, engagement={"geoip": str(tmp_path / "places.mmdb")})
    assert finding.key == "engagement.geoip"
    assert "No such file" in finding.expected
    assert "MaxMind" in finding.expected


def test_a_database_of_places_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "places.mmdb").write_text("countries")
    finding = only_finding(tmp_path, engagement={"geoip": str(tmp_path / "places.mmdb")})
    assert "MaxMind-format database" in finding.expected


def test_a_variable_with_the_master_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = {"key_env": "LIVE_MASTER_KEY"}
    monkeypatch.delenv("LIVE_MASTER_KEY", raising=False)
    finding = only_finding(tmp_path, vault=vault)
    assert str(finding) == "vault.key_env = 'LIVE_MASTER_KEY': expected an environment variable that is set"
    monkeypatch.setenv("LIVE_MASTER_KEY", "far too short a secret")
    finding = only_finding(tmp_path, vault=vault)
    assert finding.key == "vault.key_env"
    assert "64 hexadecimal digits" in finding.expected
    assert "far too short" not in str(finding)
    monkeypatch.setenv("LIVE_MASTER_KEY", base64.b64encode(bytes(32)).decode())
    assert findings(tmp_path, vault=vault) == []


def test_a_command_that_prints_the_master_key_is_looked_for_and_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "kms"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    assert only_finding(tmp_path, vault={"key_command": [str(program)]}).key == "vault.key_command"
    program.chmod(0o700)
    assert findings(tmp_path, vault={"key_command": [str(program)]}) == []
    assert not ran.exists()


def test_a_key_file_that_was_spoilt(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "master.key").write_text("")
    finding = only_finding(tmp_path)
    assert finding.key == "state.dir"
    assert "master.key: no master key" in finding.expected


def test_a_state_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    assert only_finding(tmp_path).expected == f"expected a folder; {tmp_path / 'state'} is a file"


def test_authorities_and_pictures_of_relays_and_cameras(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    none = str(tmp_path / "none")
    relay = {"url": "rtmps://live.example/app/key", "tls_ca_file": none, "slate_image": none}
    camera = {"source": "rtsps://camera.example/1", "tls_ca_file": str(tmp_path / "empty.pem")}
    found = findings(
        tmp_path,
        streams={"cam": {"relays": [relay]}, "gate": camera},
        platforms={"twitch": {"ingest_ca_file": none}},
    )
    assert [finding.key for finding in found] == [
        "platforms.twitch.ingest_ca_file",
        "streams.cam.relays.0.tls_ca_file",
        "streams.gate.tls_ca_file",
        "streams.cam.relays.0.slate_image",
    ]
    assert "there is none in it" in found[2].expected


def test_authorities_that_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(Authority("Camera's").pem)
    camera = {"source": "rtsps://camera.example/1", "tls_ca_file": str(tmp_path / "ca.pem")}
    assert findings(tmp_path, streams={"gate": camera}) == []


def test_a_provider_must_know_where_to_send_people_back_to(tmp_path: Path) -> None:
    oidc = {"issuer": "https://login.example", "client_id": "streamer"}
    finding = only_finding(tmp_path, oidc=oidc)
    assert finding.key == "http.public_url"
    assert "[oidc] needs it" in finding.expected
    assert findings(tmp_path, oidc=oidc, http={"public_url": "https://live.example"}) == []
    acme = {"acme_domain": "live.example", "redirect_from": "127.0.0.1:80"}
    assert findings(tmp_path, oidc=oidc, http=acme) == []


def test_a_folder_for_recordings_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    recording = {"dir": str(tmp_path / "file" / "recordings")}
    assert findings(tmp_path, recording=recording) == []
    recorded = {"cam": {"record": True}}
    finding = only_finding(tmp_path, recording=recording, streams=recorded)
    assert finding.key == "recording.dir"
    assert f"{tmp_path / 'file'} is a file" in finding.expected
    assert findings(tmp_path, recording={"dir": str(tmp_path / "new" / "one")}, streams=recorded) == []


def test_a_folder_for_recordings_that_is_on_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: True)
    recording = {"dir": "/proc/recordings"}
    finding = only_finding(tmp_path, recording=recording, streams={"cam": {"record": True}})
    assert finding.key == "recording.dir"
    assert "on a disk" in finding.expected


def test_a_folder_for_recordings_that_is_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever may write anything runs the tests, too.
    monkeypatch.setattr("os.access", lambda path, mode: False)
    finding = only_finding(tmp_path, streams={"cam": {"record": True}})
    assert finding.key == "recording.dir"
    assert "can be written to" in finding.expected
