from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from auth.access.rates import WHEP
from streamer.config import Config, load, parse
from streamer.errors import ConfigError, Finding
from streamer.sections.base import split_address

SECRET = "correct horse battery"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("STREAMER_"):
            monkeypatch.delenv(name)


def findings(document: dict[str, Any]) -> list[Finding]:
    with pytest.raises(ConfigError) as caught:
        parse(document)
    return caught.value.findings


def only_finding(document: dict[str, Any]) -> Finding:
    (finding,) = findings(document)
    return finding


class TestDefaults:
    def test_an_empty_file_is_a_configuration(self) -> None:
        config = parse({})
        assert config.streams == {}

    def test_everything_listens_on_this_machine_only(self) -> None:
        config = parse({})
        for listen in (config.http.listen, config.srt.listen, config.webrtc.listen):
            assert split_address(listen)[0] == "127.0.0.1"

    def test_a_stream_is_private_and_nobody_may_publish_it(self) -> None:
        stream = parse({"streams": {"cam": {}}}).streams["cam"]
        assert not stream.public
        assert stream.publish_key is None
        assert stream.pbkeylen == 32

    def test_nobody_else_decides(self) -> None:
        auth = parse({}).auth
        assert auth.asked() is None
        assert auth.issuers == ()
        assert auth.rates.whep == WHEP

    def test_it_cannot_be_changed(self) -> None:
        config = parse({"streams": {"cam": {}}})
        with pytest.raises(ValueError, match="frozen"):
            config.http.listen = "0.0.0.0:80"  # type: ignore[misc]


ISSUER = {"issuer": "https://idp.example", "audience": "streamer", "jwks_url": "https://idp.example/keys"}


class TestUnknownKeys:
    @pytest.mark.parametrize(
        ("document", "key", "expected"),
        [
            ({"htttp": {}}, "htttp", "http"),
            ({"http": {"listn": "127.0.0.1:80"}}, "http.listn", "listen"),
            ({"streams": {"cam": {"titel": "x"}}}, "streams.cam.titel", "title"),
            ({"streams": {"a.b": {"titel": "x"}}}, "streams.a.b.titel", "title"),
            ({"auth": {"rates": {"login": 1}}}, "auth.rates.login", "login_per_s"),
            ({"auth": {"issuers": [ISSUER | {"jwks": "x"}]}}, "auth.issuers.0.jwks", "jwks_url"),
        ],
    )
    def test_they_are_refused_with_what_was_expected(
        self, document: dict[str, Any], key: str, expected: str
    ) -> None:
        finding = only_finding(document)
        assert finding.key == key
        assert "unknown key" in finding.expected
        assert expected in finding.expected

    def test_the_value_is_shown(self) -> None:
        assert only_finding({"http": {"listn": "127.0.0.1:80"}}).value == "'127.0.0.1:80'"

    def test_every_finding_is_reported_at_once(self) -> None:
        found = findings({"http": {"a": 1}, "srt": {"latency_ms": 0}, "streams": {"cam": {"pbkeylen": 15}}})
        assert {finding.key for finding in found} == {"http.a", "srt.latency_ms", "streams.cam.pbkeylen"}

    def test_the_error_reads_source_key_value_expected(self) -> None:
        with pytest.raises(ConfigError) as caught:
            parse({"streams": {"cam": {"pbkeylen": 15}}}, source="streamer.toml")
        assert str(caught.value).startswith("streamer.toml: streams.cam.pbkeylen = 15: ")


class TestValues:
    @pytest.mark.parametrize(
        ("document", "key", "expected"),
        [
            ({"http": {"listen": "8080"}}, "http.listen", "host:port"),
            ({"http": {"listen": "127.0.0.1:70000"}}, "http.listen", "host:port"),
            ({"http": {"listen": "127.0.0.1:٣"}}, "http.listen", "host:port"),
            ({"http": {"listen": "example.org:80"}}, "http.listen", "IP address"),
            ({"http": {"cors_origins": "*"}}, "http.cors_origins", "expected a list, for example"),
            ({"webhooks": {"url": "https://a"}}, "webhooks", "each under a heading [[webhooks]]"),
            ({"streams": {"cam": "publish"}}, "streams.cam", "a table, as under a heading [streams.cam]"),
            ({"streams": []}, "streams", "a table, as under a heading [streams]"),
            ({"http": 3}, "http", "a table, as under a heading [http]"),
            ({"http": {"cors_origins": ["example.org"]}}, "http.cors_origins.0", "https://www.example.com"),
            ({"http": {"frame_ancestors": ["a b"]}}, "http.frame_ancestors.0", "https://*.example.com"),
            ({"http": {"frame_ancestors": ["x; script-src *"]}}, "http.frame_ancestors.0", "a site"),
            ({"auth": {"webhook": "http://192.0.2.1/"}}, "auth.webhook", "https://"),
            ({"auth": {"webhook": "https://a/"}}, "auth", "webhook_secret of 16"),
            ({"auth": {"webhook": "https://a/", "webhook_secret": "short"}}, "auth", "webhook_secret of 16"),
            ({"auth": {"webhook_unreachable": "allow"}}, "auth.webhook_unreachable", "'decide_alone'"),
            ({"auth": {"issuers": [ISSUER | {"issuer": ""}]}}, "auth.issuers.0", "its `issuer`"),
            ({"auth": {"issuers": [ISSUER | {"jwks_url": "http://x"}]}}, "auth.issuers.0", "https://"),
            ({"auth": {"issuers": [ISSUER | {"algorithms": ["HS256"]}]}}, "auth.issuers.0", "RS256"),
            ({"auth": {"issuers": [ISSUER | {"roles": {"a": "viewer"}}]}}, "auth.issuers.0", "roles_claim"),
            ({"auth": {"issuers": [ISSUER, ISSUER]}}, "auth", "each issuer once"),
            ({"auth": {"rates": {"api_burst": 0}}}, "auth.rates.api_burst", "1"),
            ({"srt": {"latency_ms": 19}}, "srt.latency_ms", "20"),
            ({"webrtc": {"max_viewers": 0}}, "webrtc.max_viewers", "1"),
            ({"webrtc": {"advertise": ["not a name"]}}, "webrtc.advertise.0", "host name"),
            ({"log": {"level": "loud"}}, "log.level", "'debug'"),
            ({"streams": {"cam": {"grace_s": -1}}}, "streams.cam.grace_s", "0"),
            ({"streams": {"cam": {"source": "http://host/"}}}, "streams.cam.source", "rtsp://"),
            ({"streams": {"cam": {"source": "rtsp:///path"}}}, "streams.cam.source", "rtsp://"),
            ({"streams": {"cam": {"source": "rtsp://host:99999/"}}}, "streams.cam.source", "rtsp://"),
            ({"streams": {"cam": {"source": "rtsp://u:12/x@host/"}}}, "streams.cam.source", "%2F"),
            ({"streams": {"cam": {"source": "rtsp://u:p/x@host/"}}}, "streams.cam.source", "%2F"),
            ({"streams": {"cam": {"source": "srt://host"}}}, "streams.cam.source", "port"),
            ({"streams": {"cam": {"on_demand": True}}}, "streams.cam", "source to pull"),
            ({"streams": {"-cam": {}}}, "streams", "beginning with a letter or digit"),
            ({"streams": {"a/b": {}}}, "streams", "letters, digits"),
            ({"streams": {"x" * 65: {}}}, "streams", "at most 64"),
            ({"streams": []}, "streams", "a table"),
        ],
    )
    def test_what_cannot_be_used_is_refused(self, document: dict[str, Any], key: str, expected: str) -> None:
        finding = only_finding(document)
        assert finding.key == key
        assert expected in finding.expected

    @pytest.mark.parametrize(
        "source",
        [
            "srt://host:9000?mode=listener",
            "srt://host:9000?latency=soon",
            "srt://host:9000?passphrase=short",
            "srt://host:9000?colour=blue",
        ],
    )
    def test_srt_addresses_are_checked_to_the_last_parameter(self, source: str) -> None:
        finding = only_finding({"streams": {"cam": {"source": source}}})
        assert finding.key == "streams.cam.source"
        assert finding.expected

    @pytest.mark.parametrize(
        "source",
        ["publish", "rtsp://cam/1", "rtsps://u:p@cam:322/1", "srt://[::1]:9000?mode=caller&latency=200"],
    )
    def test_good_sources(self, source: str) -> None:
        stream = parse({"streams": {"cam": {"source": source}}}).streams["cam"]
        assert stream.source == source
        assert stream.is_published is (source == "publish")

    def test_the_scheme_is_lower_case(self) -> None:
        streams = parse({"streams": {"cam": {"source": "SRT://Host:9000"}}}).streams
        assert streams["cam"].source == "srt://Host:9000"

    def test_the_playout_delays_have_an_order(self) -> None:
        finding = only_finding({"webrtc": {"playout_delay_min_ms": 500, "playout_delay_max_ms": 100}})
        assert finding.key == "webrtc"
        assert "playout_delay_min_ms" in finding.expected

    @pytest.mark.parametrize(
        ("text", "parsed"),
        [
            ("127.0.0.1:80", ("127.0.0.1", 80)),
            ("[::]:0", ("::", 0)),
            ("localhost:1", ("localhost", 1)),
            (":8080", ("0.0.0.0", 8080)),
        ],
    )
    def test_addresses(self, text: str, parsed: tuple[str, int]) -> None:
        assert split_address(text) == parsed


class TestSecrets:
    @pytest.mark.parametrize("length", [9, 80])
    @pytest.mark.parametrize("key", ["passphrase", "read_passphrase"])
    def test_a_passphrase_of_the_wrong_length_is_not_repeated(self, key: str, length: int) -> None:
        finding = only_finding({"streams": {"cam": {key: "x" * length}}})
        assert finding.value == "***"
        assert finding.expected == f"expected 10-79 bytes, these are {length}"

    def test_the_limit_of_a_passphrase_is_in_bytes(self) -> None:
        # libsrt counts bytes: 40 of these are 80.
        finding = only_finding({"streams": {"cam": {"passphrase": "ü" * 40}}})
        assert finding.value == "***"
        assert "79" in finding.expected

    @pytest.mark.parametrize(
        "table",
        [
            {"passphrase": 123456789012},
            {"publish_key": [SECRET]},
            {"pasphrase": SECRET},
            {"Passphrase": SECRET},
            {"publishkey": SECRET},
            {"password": SECRET},
            {"key": SECRET},
            {"token": SECRET},
            {"url": f"rtsp://admin:{SECRET}@cam/1"},
            {"source": f"http://admin:{SECRET}@cam/1"},
            {"source": f"rtsp://admin:{SECRET}/slash@cam/1"},
            {"source": f"rtsp://admin:at@{SECRET}@cam:port/1"},
            {"source": f"http://cam/1?user=admin&password={SECRET}"},
            {"source": f"srt://cam?passphrase={SECRET}"},
            {"source": f"srt://cam:9000?passphrase={SECRET}{'x' * 80}"},
            {"source": "publish", "on_demand": True, "publish_key": SECRET},
        ],
    )
    def test_no_finding_shows_one(self, table: dict[str, Any]) -> None:
        for finding in findings({"streams": {"cam": table}}):
            assert SECRET not in str(finding)
            assert "123456789012" not in str(finding)

    def test_a_stream_written_as_its_address_alone(self) -> None:
        assert SECRET not in str(only_finding({"streams": {"cam": f"rtsp://admin:{SECRET}@cam/1"}}))

    def test_the_configuration_does_not_show_them_either(self) -> None:
        config = parse(
            {"streams": {"cam": dict.fromkeys(("publish_key", "passphrase", "read_passphrase"), SECRET)}}
        )
        assert SECRET not in repr(config)


class TestEnvironment:
    def test_it_wins_over_the_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMER_HTTP__LISTEN", "127.0.0.1:1")
        monkeypatch.setenv("STREAMER_STREAMS__CAM__PUBLISH_KEY", SECRET)
        config = parse({"http": {"listen": "127.0.0.1:2"}, "streams": {"cam": {"title": "Kept"}}})
        assert config.http.listen == "127.0.0.1:1"
        key = config.streams["cam"].publish_key
        assert key is not None
        assert key.get_secret_value() == SECRET
        assert config.streams["cam"].title == "Kept"

    @pytest.mark.parametrize(
        "name", ["STREAMER_HTPP__LISTEN", "STREAMER_HTTP__LISTN", "STREAMER_STREAMS__CAM__PUBLISHKEY"]
    )
    def test_a_misspelt_variable_is_refused(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setenv(name, SECRET)
        finding = only_finding({"streams": {"cam": {}}})
        assert finding.key.lower().replace("__", ".").removeprefix("streamer_").startswith(("ht", "streams"))
        if name != "STREAMER_HTTP__LISTN":
            assert SECRET not in str(finding)

    def test_a_section_that_is_not_a_table(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMER_HTTP", SECRET)
        finding = only_finding({})
        assert "http" in finding.expected
        assert SECRET not in str(finding)


class TestFile:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    def test_a_file_is_read(self, encoding: str, tmp_path: Path) -> None:
        path = tmp_path / "streamer.toml"
        path.write_text('[streams.cam]\ntitle = "Küche"\n', encoding=encoding)
        assert isinstance(load(path), Config)
        assert load(path).streams["cam"].title == "Küche"

    @pytest.mark.parametrize("content", [b"[streams", b"a = 1\na = 2\n", b'title = "\xff"\n'])
    def test_what_is_not_toml(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "streamer.toml"
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="expected TOML") as caught:
            load(path)
        assert caught.value.source == str(path)

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (f"x = {'1' * 5000}", "numbers of at most 4300 digits"),
            (f"x = {'[' * 3000}", "nested less deeply"),
            (f"x = {'{a = ' * 3000}", "nested less deeply"),
            (f"[srt]\nlatency_ms = 0x{'f' * 5000}", "srt.latency_ms = 0xfff"),
            (f"[[webhooks]]\nurl = 0x{'f' * 5000}", "webhooks.0.url = 0xfff"),
        ],
        ids=["long number", "deep list", "deep table", "long hexadecimal", "where an address belongs"],
    )
    def test_what_python_does_not_read_or_write(self, tmp_path: Path, content: str, expected: str) -> None:
        path = tmp_path / "streamer.toml"
        path.write_text(content)
        with pytest.raises(ConfigError, match=expected) as caught:
            load(path)
        assert caught.value.source == str(path)

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="No such file"):
            load(tmp_path / "none.toml")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="expected a readable file"):
            load(tmp_path)


class TestEndToEnd:
    def test_off_unless_asked_for(self) -> None:
        stream = parse({"streams": {"cam": {}}}).streams["cam"]
        assert (stream.e2e, stream.e2e_key_bytes, stream.e2e_rotate_s) == (False, 32, 3600)

    @pytest.mark.parametrize(
        ("key", "value"),
        [("e2e", "perhaps"), ("e2e_key_bytes", 24), ("e2e_rotate_s", 9), ("e2e_rotate_s", 100_000)],
    )
    def test_what_cannot_be(self, key: str, value: object) -> None:
        finding = only_finding({"streams": {"cam": {key: value}}})
        assert finding.key == f"streams.cam.{key}"
        assert finding.value == repr(value)

    def test_a_running_stream_is_not_made_clear_in_place(self) -> None:
        sealed, clear = (parse({"streams": {"cam": {"e2e": e2e}}}).streams["cam"] for e2e in (True, False))
        assert not sealed.allows_in_place(clear)
        assert not clear.allows_in_place(sealed)


class TestDatabase:
    @pytest.mark.parametrize(
        "url",
        [
            "sqlite:///streamer.db",
            "sqlite:////var/lib/streamer/streamer.db",
            "postgresql://streamer:secret@db.example:5432/streamer",
            "postgresql:///streamer?host=/run/postgresql",
        ],
    )
    def test_where_it_can_be(self, url: str) -> None:
        configured = parse({"database": {"url": url}}).database.url
        assert configured is not None
        assert configured.get_secret_value() == url

    @pytest.mark.parametrize(
        "url",
        [
            "mysql://streamer:the-secret@db.example/streamer",
            "postgresql:streamer:the-secret@db.example",
            "streamer:the-secret@db.example/streamer",
            "postgresql://streamer:the-secret@db.example:many/streamer",
            "postgresql://streamer:the/the-secret@db.example/streamer",
            "sqlite://",
            "sqlite://the-secret@host/file",
        ],
    )
    def test_where_it_cannot_be(self, url: str) -> None:
        finding = only_finding({"database": {"url": url}})
        assert finding.key == "database.url"
        assert "postgresql://user:password@host:port/name" in finding.expected
        assert "the-secret" not in str(finding)

    def test_its_password_is_not_shown(self) -> None:
        config = parse({"database": {"url": "postgresql://streamer:the-secret@db.example/streamer"}})
        assert "the-secret" not in repr(config)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, None),
        ({"passphrase": "of the encoders"}, "of the encoders"),
        ({"passphrase": "of the encoders", "read_passphrase": "of the readers"}, "of the readers"),
        # What a source is called with is between it and us.
        ({"source": "srt://192.0.2.1:9000", "passphrase": "of the source"}, None),
        ({"source": "rtsp://192.0.2.1/", "read_passphrase": "of the readers"}, "of the readers"),
    ],
)
def test_what_readers_encrypt_with(table: dict[str, str], expected: str | None) -> None:
    assert parse({"streams": {"cam": table}}).streams["cam"].reading_passphrase == expected


def test_options_of_srt_are_the_configurations() -> None:
    config = parse({"srt": {"latency_ms": 777, "tlpktdrop": False, "idle_timeout_ms": 1234}})
    options = config.srt.options
    assert (options.latency_ms, options.tlpktdrop, options.peer_idle_timeout_ms) == (777, False, 1234)
