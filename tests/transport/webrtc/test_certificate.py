from __future__ import annotations

import datetime

from transport.plane.interface import SrtpProfile
from transport.webrtc.certificate import ALL_PROFILES, ServerCertificate, fresh_certificate, profiles_of


def test_one_for_the_process():
    assert fresh_certificate() is fresh_certificate()


def test_replaced_a_week_before_it_expires():
    old = fresh_certificate()
    week = datetime.timedelta(days=7)
    second = datetime.timedelta(seconds=1)
    assert old.expires - datetime.datetime.now(datetime.UTC) > 3 * week
    assert fresh_certificate(old.expires - week - second) is old
    renewed = fresh_certificate(old.expires - week + second)
    assert renewed is not old and renewed.fingerprint != old.fingerprint
    assert fresh_certificate() is renewed


def test_the_fingerprint_is_of_sha_256_and_the_context_is_made_once():
    made = ServerCertificate.generateCertificate()
    assert made.fingerprint.algorithm == "sha-256" and len(made.fingerprint.value) == 32 * 3 - 1
    assert made.context is made.context
    assert made.context is not ServerCertificate.generateCertificate().context


def test_a_floor_leaves_the_profiles_whose_keys_are_long_enough():
    assert profiles_of(32) == (SrtpProfile.AEAD_AES_256_GCM,)
    assert profiles_of(16) == profiles_of(0) == ALL_PROFILES
    assert ALL_PROFILES[0] is SrtpProfile.AEAD_AES_256_GCM


def test_there_is_one_context_for_each_list_of_profiles():
    made = ServerCertificate.generateCertificate()
    assert made.context_for(profiles_of(32)) is made.context_for(profiles_of(32))
    assert made.context_for(profiles_of(32)) is not made.context
    assert made.context_for(profiles_of(16)) is made.context
