from __future__ import annotations

import base64
import logging
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from auth.errors import VaultError
from auth.vault.master_keys import add_key, drop_old_keys, keys_from_command, keys_from_file, parse_keys
from auth.vault.vault import KEY_BYTES, MasterKey

ONE, TWO = MasterKey(bytes(range(32))), MasterKey(b"\xfb" * KEY_BYTES)


def hexadecimal(key: MasterKey) -> str:
    return key.material.hex()


def base64_of(key: MasterKey) -> str:
    return base64.b64encode(key.material).decode()


class TestParsing:
    @pytest.mark.parametrize(
        "text",
        [
            hexadecimal(TWO),
            hexadecimal(TWO).upper(),
            base64_of(TWO),
            base64_of(TWO).rstrip("="),
            base64.urlsafe_b64encode(TWO.material).decode(),
            f"\n# a comment\n {base64_of(TWO)} \n",
        ],
    )
    def test_forms(self, text: str) -> None:
        assert parse_keys(text, "a test") == [TWO]

    def test_the_first_is_the_primary(self) -> None:
        assert parse_keys(f"{hexadecimal(ONE)},{base64_of(TWO)}", "a test") == [ONE, TWO]
        assert parse_keys(f"{hexadecimal(TWO)}\n{base64_of(ONE)}\n", "a test") == [TWO, ONE]

    @pytest.mark.parametrize("text", ["", "# nothing\n", "hunter2hunter2", "ab" * 31, "!" * 44])
    def test_everything_else_is_refused_without_quoting_it(self, text: str) -> None:
        with pytest.raises(VaultError, match=r"STREAMER_MASTER_KEY.*expected 32 bytes") as refusal:
            parse_keys(text, "STREAMER_MASTER_KEY")
        if text:
            assert text not in str(refusal.value)


class TestFile:
    def test_it_is_made_once_closed_to_others_with_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "state" / "master.key"
        with caplog.at_level(logging.WARNING):
            first = keys_from_file(path)
        assert "keep a copy" in caplog.text
        assert base64_of(first[0]) not in caplog.text
        caplog.clear()
        assert keys_from_file(path) == first
        assert not caplog.text
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [entry.name for entry in path.parent.iterdir()] == ["master.key"]

    def test_many_at_once_make_one_key(self, tmp_path: Path) -> None:
        path = tmp_path / "master.key"
        program = (
            "import sys, pathlib; from auth.vault.master_keys import keys_from_file\n"
            "sys.stdout.buffer.write(keys_from_file(pathlib.Path(sys.argv[1]))[0].material)"
        )
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            for _ in range(4)
        ]
        seen = {process.communicate()[0] for process in processes}
        assert seen == {keys_from_file(path)[0].material}

    def test_a_file_that_others_could_read_is_closed_to_them(self, tmp_path: Path) -> None:
        path = tmp_path / "master.key"
        path.write_text(base64_of(ONE))
        path.chmod(0o644)
        assert keys_from_file(path) == [ONE]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_an_empty_file_is_no_reason_to_make_a_new_key(self, tmp_path: Path) -> None:
        path = tmp_path / "master.key"
        path.touch(0o600)
        with pytest.raises(VaultError, match="no master key"):
            keys_from_file(path)

    def test_rotation(self, tmp_path: Path) -> None:
        path = tmp_path / "master.key"
        old = keys_from_file(path)
        both = add_key(path)
        assert both[1:] == old
        assert keys_from_file(path) == both
        assert drop_old_keys(path) == 1
        assert keys_from_file(path) == both[:1]
        assert drop_old_keys(path) == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


class TestCommand:
    def test_what_it_prints_is_the_key(self) -> None:
        assert keys_from_command(["printf", "%s\n", base64_of(ONE)]) == [ONE]

    def test_one_that_fails(self) -> None:
        with pytest.raises(VaultError, match="sh failed with status 3") as refusal:
            keys_from_command(["sh", "-c", "echo hidden; echo hidden >&2; exit 3"])
        assert "hidden" not in str(refusal.value)

    def test_one_that_prints_something_else(self) -> None:
        with pytest.raises(VaultError, match=r"output of echo.*expected 32 bytes") as refusal:
            keys_from_command(["echo", "hidden"])
        assert "hidden" not in str(refusal.value)

    def test_one_that_hangs(self) -> None:
        with pytest.raises(VaultError, match=r"sleep did not answer within 0\.05 s"):
            keys_from_command(["sleep", "60"], timeout_s=0.05)

    def test_one_that_is_not_there(self) -> None:
        with pytest.raises(VaultError, match="cannot be run"):
            keys_from_command(["/nonexistent/kms"])
        with pytest.raises(VaultError, match="empty"):
            keys_from_command([])
