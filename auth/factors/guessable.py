"""Passwords that somebody would try, although they are long enough.

Not a list of a million leaked ones: those of twelve characters and more are nearly all words like the ones
below with numbers around them, walks over the keyboard, or one short piece again and again.
"""

from __future__ import annotations

import re
import unicodedata

_WORDS = frozenset(
    """
    password passwort passwd contrasena motdepasse secret geheim admin administrator root user login welcome
    willkommen bienvenue letmein changeme default master access system server camera stream streamer streaming
    video live broadcast qwerty qwertz azerty iloveyou football baseball basketball dragon monkey sunshine
    princess superman batman starwars whatever trustno one two three monday january february march april june
    july august september october november december spring summer autumn winter company test testing guest
    demo my the new is this very please
    """.split()
)
_WALKS = (
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
)
_LEET = str.maketrans("013457@$!", "oieastasi")
_FEWEST_DIFFERENT = 5
_SHORTEST_WALK = 4


def why_guessable(password: str, name: str = "") -> str | None:
    """What makes a password easy to guess, as what would have been expected instead; None when nothing does.

    Args:
        password: normalised, of sufficient length.
        name: the account's.
    """
    plain = unicodedata.normalize("NFKC", password).casefold()
    own = unicodedata.normalize("NFKC", name).casefold()
    if len(own) >= 3 and (own in plain or own[::-1] in plain):
        return "one without the account's name in it"
    if len(set(plain)) < _FEWEST_DIFFERENT:
        return f"at least {_FEWEST_DIFFERENT} different characters"
    if (plain + plain).find(plain, 1) < len(plain) or _is_piece_repeated(plain):
        return "more than one piece again and again"
    if not _without_what_is_tried(plain) or not _without_what_is_tried(plain.translate(_LEET)):
        return "something else than common words, numbers and rows of the keyboard"
    return None


def _is_piece_repeated(text: str) -> bool:
    """Also when the last piece is not whole, as in "kitten1kitten1kit"."""
    return any(
        all(text[i] == text[i % size] for i in range(size, len(text)))
        for size in range(1, len(text) // 2 + 1)
    )


def _without_what_is_tried(text: str) -> str:
    """What is left of a password without walks, words and numbers."""
    left: list[str] = []
    at = 0
    while at < len(text):
        length = max(_walk(text, at), _word(text, at))
        if length == 0 and not text[at].isalpha():
            length = 1
        if length == 0:
            left.append(text[at])
        at += max(length, 1)
    # A letter or three between them do not make it hard.
    return "".join(left) if len(left) > 3 else ""


def _walk(text: str, at: int) -> int:
    """How many characters from here follow a keyboard or the alphabet, in either direction."""
    best = 0
    for walk in _WALKS:
        for way in (walk, walk[::-1]):
            length = _SHORTEST_WALK
            while at + length <= len(text) and text[at : at + length] in way:
                best = max(best, length)
                length += 1
    return best


def _word(text: str, at: int) -> int:
    match = re.match(r"[a-z]+", text[at:])
    letters = match.group() if match else ""
    return max((size for size in range(2, len(letters) + 1) if letters[:size] in _WORDS), default=0)
