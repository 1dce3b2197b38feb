from __future__ import annotations

import pytest

from auth.factors.guessable import why_guessable


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("aaaaaaaaaaaa", "different characters"),
        ("abababababab", "different characters"),
        ("kitten1kitten1", "again and again"),
        ("kitten1kitten1kit", "again and again"),
        ("Password1234", "common words"),
        ("P@ssw0rd2026!", "common words"),
        ("password-password1", "common words"),
        ("123456789012", "common words"),
        ("098765432109", "common words"),
        ("qwertyuiop[]", "common words"),
        ("asdfghjkl123", "common words"),
        ("1q2w3e4r5t6y", "common words"),
        ("1qaz2wsx3edc", "common words"),
        ("abcdefghijklm", "common words"),
        ("Summer2026!!!", "common words"),
        ("changeme12345", "common words"),
        ("welcome to streamer 1", "common words"),
        ("Administrator1", "common words"),
    ],
)
def test_what_somebody_would_try(password: str, expected: str) -> None:
    why = why_guessable(password)
    assert why is not None
    assert expected in why


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "ein Pferd frisst Holz",
        "Tr0ub4dor&3xyz",
        "k8Jx-2mQp-9vLw",
        "die Kamera am Tor",
        "馬が木を食べる朝の庭で静かに",
    ],
)
def test_what_nobody_would(password: str) -> None:
    assert why_guessable(password) is None


class TestOwnName:
    @pytest.mark.parametrize("password", ["xx Jane Doe 17 xx", "JANE DOEjane doe!", "my eod enaj is fine"])
    def test_it_must_not_be_in_it(self, password: str) -> None:
        assert why_guessable(password, "jane doe") == "one without the account's name in it"

    def test_a_very_short_one_may(self) -> None:
        assert why_guessable("ein Pferd frisst Holz", "ei") is None
