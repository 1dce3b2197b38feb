from __future__ import annotations

from auth.vault.comparing import same_secret


class TestSameSecret:
    def test_equal_and_different(self) -> None:
        assert same_secret("a secret", "a secret")
        assert not same_secret("a secret", "a secreT")
        assert not same_secret("", "a secret")
        assert same_secret("schlüssel", "schlüssel")

    def test_bytes_that_are_no_text(self) -> None:
        # How an HTTP header that is not UTF-8 arrives.
        assert not same_secret("a\udcff", "a secret")
