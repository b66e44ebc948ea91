"""Signed values: what is signed is read back, and nothing else is."""

from __future__ import annotations

import hashlib
import hmac
import string
import time
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.support import LogBook

from tornadic import web
from tornadic.web import (
    create_signed_value,
    decode_signed_value,
    get_signature_key_version,
    signing,
)

SECRET = "It's a secret to everybody"
NOW = 1_300_000_000
DAY = 24 * 60 * 60
KEYS: dict[int, str | bytes] = {0: "zero", 1: "one", 12: b"twelve \xff"}

V1 = b"dmFsdWU=|1300000000|31c934969f53e48164c50768b40cbd7e2daaaa4f"
V2 = (
    b"2|1:0|10:1300000000|3:key|8:dmFsdWU=|"
    b"3d4e60b996ff9c5d5788e333a0cba6f238a22c6c0f94788870e1a9ecd482e152"
)


def now() -> float:
    return NOW


def at(seconds: float) -> Any:
    return lambda: seconds


def signed_v1(value: bytes, seconds: bytes, name: bytes = b"key") -> bytes:
    """A value in version 1 with a right signature, whatever it is made of."""
    digest = hmac.new(SECRET.encode(), name + value + seconds, hashlib.sha1).hexdigest()
    return b"|".join((value, seconds, digest.encode()))


def signed_v2(
    value: bytes = b"dmFsdWU=",
    seconds: bytes = b"1300000000",
    key_version: bytes = b"0",
    name: bytes = b"key",
    version: bytes = b"2",
    length: str = "%d",
    more: bytes = b"",
) -> bytes:
    """A value in version 2 with a right signature, whatever it is made of."""
    fields = (key_version, seconds, name, value)
    body = version + b"|"
    body += b"".join((length % len(one)).encode() + b":" + one + b"|" for one in fields) + more
    return body + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest().encode()


def decode(value: bytes | str | None, name: str = "key", **kwargs: Any) -> bytes | None:
    kwargs.setdefault("clock", now)
    return decode_signed_value(SECRET, name, value, **kwargs)


class TestFormats:
    """The formats are those of Tornado, to the byte."""

    def test_constants(self) -> None:
        assert web.MIN_SUPPORTED_SIGNED_VALUE_VERSION == 1
        assert web.MAX_SUPPORTED_SIGNED_VALUE_VERSION == 2
        assert web.DEFAULT_SIGNED_VALUE_VERSION == 2
        assert web.DEFAULT_SIGNED_VALUE_MIN_VERSION == 1

    def test_version_1(self) -> None:
        assert create_signed_value(SECRET, "key", "value", version=1, clock=now) == V1
        assert decode(V1) == b"value"

    def test_version_2_is_the_default(self) -> None:
        assert create_signed_value(SECRET, "key", b"value", clock=now) == V2
        assert create_signed_value(SECRET, "key", "value", version=2, clock=now) == V2
        assert decode(V2) == decode(V2.decode()) == b"value"

    def test_the_helpers_of_this_file_sign_as_we_do(self) -> None:
        assert (signed_v1(b"dmFsdWU=", b"1300000000"), signed_v2()) == (V1, V2)

    def test_fractions_of_a_second_are_dropped(self) -> None:
        assert create_signed_value(SECRET, "key", "value", clock=at(NOW + 0.9)) == V2

    def test_time_is_the_clocks_if_none_is_given(self) -> None:
        value = create_signed_value(SECRET, "key", "value")
        assert abs(int(value.split(b"|")[2].partition(b":")[2]) - time.time()) < 60
        assert decode_signed_value(SECRET, "key", value) == b"value"

    @pytest.mark.parametrize("version", [0, 3, -1])
    def test_unknown_versions_are_not_made(self, version: int) -> None:
        with pytest.raises(ValueError, match="Unsupported version"):
            create_signed_value(SECRET, "key", "value", version=version)

    def test_names_beyond_ascii(self) -> None:
        value = create_signed_value(SECRET, "schlüssel", "wert", clock=now)
        assert b"|10:schl\xc3\xbcssel|" in value
        assert decode(value, "schlüssel") == b"wert"

    def test_private_signatures(self) -> None:
        sign_v1, sign_v2 = (getattr(web, f"_create_signature_v{version}") for version in (1, 2))
        assert sign_v1(SECRET, "key", b"dmFsdWU=", "1300000000") == V1[-40:]
        assert sign_v2(SECRET, V2[:-64]) == V2[-64:]

    @given(
        st.binary(max_size=40) | st.text(max_size=40),
        st.text(string.printable, max_size=20),
        st.sampled_from([1, 2]),
        st.binary(min_size=1, max_size=20),
    )
    def test_what_is_signed_is_read_back(
        self, value: str | bytes, name: str, version: int, secret: bytes
    ) -> None:
        signed = create_signed_value(secret, name, value, version=version, clock=now)
        expected = value.encode() if isinstance(value, str) else value
        assert decode_signed_value(secret, name, signed, clock=now) == expected


class TestRefusals:
    @pytest.mark.parametrize("value", [None, "", b""])
    def test_nothing(self, value: Any) -> None:
        assert decode(value) is None

    def test_another_name(self, log: LogBook) -> None:
        assert decode(V2, "Key") is None
        assert decode(V1, "Key") is None
        log.take("Invalid cookie signature")

    def test_another_secret(self, log: LogBook) -> None:
        assert decode_signed_value("other", "key", V2, clock=now) is None
        assert decode_signed_value("other", "key", V1, clock=now) is None
        log.take("Invalid cookie signature")

    @pytest.mark.parametrize("good", [V1, V2])
    def test_every_changed_byte(self, good: bytes, log: LogBook) -> None:
        for i in range(len(good)):
            for other in {good[i] ^ 1, good[i] ^ 0x20, ord("|"), ord("0")} - {good[i]}:
                assert decode(good[:i] + bytes([other]) + good[i + 1 :]) is None
        log.unread.clear()

    @pytest.mark.parametrize("good", [V1, V2])
    def test_truncated_and_extended(self, good: bytes, log: LogBook) -> None:
        for i in range(len(good)):
            assert decode(good[:i]) is None
            assert decode(good[i + 1 :]) is None
        for more in (b"0", b"|", b" ", b"\n", b"|0", b"\x00"):
            assert decode(good + more) is None
            assert decode(more + good) is None
        log.unread.clear()

    @given(st.binary(max_size=100), st.sampled_from([b"", b"1|", b"2|", b"2|1:0|", b"3|"]))
    def test_noise(self, noise: bytes, start: bytes) -> None:
        assert decode(start + noise) is None
        get_signature_key_version(start + noise)

    @given(st.text(max_size=100))
    def test_noisy_text(self, noise: str) -> None:
        assert decode(noise) is None
        assert decode("2|" + noise) is None

    @pytest.fixture(autouse=True)
    def _noise_is_logged(self, log: LogBook) -> Any:
        yield
        log.unread.clear()

    @pytest.mark.parametrize(
        "value",
        [
            signed_v2(seconds=b""),
            signed_v2(seconds=b"abc"),
            signed_v2(seconds=b" 1300000000"),
            signed_v2(seconds=b"+1300000000"),
            signed_v2(seconds=b"1_300_000_000"),
            signed_v2(seconds=b"01300000000"),
            signed_v2(seconds=b"1300000000.0"),
            signed_v2(seconds="١٣٠٠٠٠٠٠٠٠".encode()),
            signed_v2(seconds=b"9" * 5000),
            signed_v2(seconds=b"-1"),
            signed_v2(key_version=b""),
            signed_v2(key_version=b"x"),
            signed_v2(key_version=b"+0"),
            signed_v2(key_version=b"-0"),
            signed_v2(key_version=b"00"),
            signed_v2(key_version=b"9" * 5000),
            signed_v2(value=b"dmFsdWU"),
            signed_v2(value=b"dmFs dWU="),
            signed_v2(value=b"!!!!"),
            signed_v2(value=b"-_-_"),
            signed_v2(value=b"dmFsdWU=dmFsdWU="),
            signed_v2(length="+%d"),
            signed_v2(length="0%d"),
            signed_v2(length=" %d"),
            signed_v2(length="%d0"),
            signed_v2(length="%d" + "0" * 5000),
            signed_v2(more=b"1:x|"),
            signed_v2(more=b"|"),
            signed_v2(version=b"02"),
            signed_v2(version=b"1"),
            signed_v2(version=b"3"),
            signed_v2(version=b"+2"),
            signed_v2(version=b"999"),
            signed_v2(version=b"9" * 5000),
        ],
        ids=lambda value: value[:30].decode(),
    )
    def test_malformed_but_well_signed(self, value: bytes) -> None:
        assert decode(value) is None
        assert decode(value, max_age_days=float("inf")) is None

    @pytest.mark.parametrize("separator", [b";", b"0", b"", b"||"])
    def test_separators_are_matched(self, separator: bytes) -> None:
        body = V2[:-64].replace(b"|3:key|", separator.join((b"|3:key", b"")))
        signed = body + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest().encode()
        assert decode(signed) is None

    @pytest.mark.parametrize("seconds", [b"", b"abc", b"-5", b"1300_000000", b" 1300000000"])
    def test_malformed_times_in_version_1(self, seconds: bytes) -> None:
        assert decode(signed_v1(b"dmFsdWU=", seconds)) is None

    @pytest.mark.parametrize("value", [b"dmFsdWU", b"!!!!", b"dmFs dWU="])
    def test_malformed_values_in_version_1(self, value: bytes) -> None:
        assert decode(signed_v1(value, b"1300000000")) is None

    def test_a_min_version_beyond_all(self) -> None:
        with pytest.raises(ValueError, match="Unsupported min_version"):
            decode(V2, min_version=3)

    def test_min_version(self) -> None:
        assert decode(V1, min_version=0) == decode(V1, min_version=1) == b"value"
        assert decode(V1, min_version=2) is None
        assert decode(V2, min_version=2) == b"value"

    @pytest.mark.parametrize("secret", ["", b"", None, {0: ""}])
    def test_an_empty_key_signs_and_verifies_nothing(self, secret: Any) -> None:
        with pytest.raises(ValueError, match="empty key"):
            create_signed_value(secret, "key", "value", key_version=0)
        forged = b"2|1:0|10:1300000000|3:key|8:dmFsdWU=|"
        forged += hmac.new(b"", forged, hashlib.sha256).hexdigest().encode()
        with pytest.raises(ValueError, match="empty key"):
            decode_signed_value(secret, "key", forged, clock=now)

    def test_size_at_the_limit_and_beyond(self) -> None:
        # Four characters of base64 for three bytes, and the frame around them.
        frame = len(create_signed_value(SECRET, "key", b"", clock=now)) + len("1048576") - 1
        most = (signing.MAX_SIGNED_VALUE_SIZE - frame) // 4 * 3
        value = create_signed_value(SECRET, "key", b"x" * most, clock=now)
        assert len(value) <= signing.MAX_SIGNED_VALUE_SIZE
        assert decode(value) == b"x" * most
        with pytest.raises(ValueError, match="too large"):
            create_signed_value(SECRET, "key", b"x" * (most + 3), clock=now)
        name = "k" * (signing.MAX_SIGNED_VALUE_SIZE - len(V2) + 3 - 6)
        longest = create_signed_value(SECRET, name, b"value", clock=now)
        assert len(longest) == signing.MAX_SIGNED_VALUE_SIZE
        assert decode(longest, name) == b"value"
        beyond = signed_v2(name=name.encode() + b"k")
        assert decode(beyond, name + "k") is None
        assert get_signature_key_version(beyond) is None


class TestTime:
    @pytest.mark.parametrize("good", [V1, V2])
    def test_age_at_the_limit_and_beyond(self, good: bytes, log: LogBook) -> None:
        assert decode(good, clock=at(NOW + 31 * DAY)) == b"value"
        assert decode(good, clock=at(NOW + 31 * DAY + 1)) is None
        assert decode(good, max_age_days=0) == b"value"
        assert decode(good, max_age_days=0, clock=at(NOW + 1)) is None
        assert decode(good, max_age_days=0.5, clock=at(NOW + DAY / 2)) == b"value"
        assert decode(good, max_age_days=-1) is None
        assert decode(good, max_age_days=float("inf"), clock=at(NOW * 10)) == b"value"
        assert {record.getMessage()[:14] for record in log.unread} <= {"Expired cookie"}
        log.unread.clear()

    @pytest.mark.parametrize("good", [V1, V2])
    def test_time_in_the_future(self, good: bytes, log: LogBook) -> None:
        # The clocks of a site's servers differ, but not by hours.
        assert decode(good, clock=at(NOW - signing.MAX_CLOCK_SKEW)) == b"value"
        assert decode(good, clock=at(NOW - signing.MAX_CLOCK_SKEW - 1)) is None
        assert decode(good, clock=at(NOW - 31 * DAY)) is None
        assert decode(good, clock=at(0), max_age_days=float("inf")) is None
        if good is V1:
            log.take_all("Cookie timestamp in future")

    def test_digits_moved_from_value_to_time(self, log: LogBook) -> None:
        # Version 1 signs name, value and time as one text; this is the same text.
        value = signed_v1(b"YWFh1234", b"1300000000")
        moved = value.replace(b"1234|", b"|1234")
        assert decode(value) is not None
        assert decode(moved) is None
        log.take("in future")

    def test_digits_moved_from_time_to_value(self, log: LogBook) -> None:
        value = signed_v1(b"YWFh", b"1300000000")
        moved = value.replace(b"|1300000000", b"1300|000000")
        assert decode(moved, max_age_days=float("inf")) is None
        log.take("Tampered cookie")
        value = signed_v1(b"YWFh", b"1312345678")
        moved = value.replace(b"|1312345678", b"1312|345678")
        assert decode(moved, max_age_days=float("inf"), clock=at(1312345678)) is None
        log.take("Tampered cookie")

    def test_fields_cannot_be_confused_in_version_2(self) -> None:
        # The lengths are signed, so the end of the name cannot become the start of the value.
        value = create_signed_value(SECRET, "user", "YWRt", clock=now)
        text = value.replace(b"4:user|8:", b"12:user|8:", 1)
        assert decode(text, "user|8:WVdSdA") is None
        assert decode(value, "userWVdS") is None


class TestKeyVersions:
    @pytest.mark.parametrize("key_version", KEYS)
    def test_the_value_says_which_key(self, key_version: int) -> None:
        value = create_signed_value(KEYS, "key", "value", clock=now, key_version=key_version)
        assert value.startswith(b"2|%d:%d|" % (len(str(key_version)), key_version))
        assert decode_signed_value(KEYS, "key", value, clock=now) == b"value"
        assert get_signature_key_version(value) == key_version
        assert get_signature_key_version(value.decode()) == key_version

    def test_a_key_that_is_gone(self) -> None:
        value = create_signed_value(KEYS, "key", "value", clock=now, key_version=1)
        keys = {version: key for version, key in KEYS.items() if version != 1}
        assert decode_signed_value(keys, "key", value, clock=now) is None

    def test_a_key_under_another_version(self) -> None:
        value = create_signed_value(KEYS, "key", "value", clock=now, key_version=1)
        assert decode_signed_value({1: "zero", 0: "one"}, "key", value, clock=now) is None
        relabelled = value.replace(b"2|1:1|", b"2|1:0|")
        assert decode_signed_value(KEYS, "key", relabelled, clock=now) is None

    def test_a_single_key_verifies_any_version(self) -> None:
        value = create_signed_value(SECRET, "key", "value", clock=now, key_version=5)
        assert decode(value) == b"value"
        assert get_signature_key_version(value) == 5

    def test_which_key_must_be_said(self) -> None:
        with pytest.raises(ValueError, match="key_version"):
            create_signed_value(KEYS, "key", "value")
        with pytest.raises(KeyError):
            create_signed_value(KEYS, "key", "value", key_version=2)

    def test_version_1_has_a_single_key(self) -> None:
        with pytest.raises(ValueError, match="several keys"):
            create_signed_value(KEYS, "key", "value", version=1, key_version=1)
        assert decode_signed_value(KEYS, "key", V1, clock=now) is None

    @pytest.mark.parametrize(
        "value", [V1, "", b"", "2|", "€|1|2", "2|1:0", signed_v2(version=b"3")]
    )
    def test_of_what_names_none(self, value: str | bytes) -> None:
        assert get_signature_key_version(value) is None

    def test_is_not_verified(self) -> None:
        assert get_signature_key_version(V2[:-64] + b"0" * 64) == 0


def test_encoded_as_anybody_would() -> None:
    assert V2.split(b"|")[4].endswith(b64encode(b"value"))


@pytest.mark.parametrize("version", [1, 2])
def test_signatures_are_compared_in_constant_time(
    version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but `hmac.compare_digest` has the word: whatever it says is what comes out."""
    value = web.create_signed_value(SECRET, "key", "value", version=version)
    asked: list[tuple[Any, Any]] = []

    def compare(a: Any, b: Any) -> bool:
        asked.append((a, b))
        return True

    monkeypatch.setattr(hmac, "compare_digest", compare)
    forged = value[:-1] + (b"1" if value.endswith(b"0") else b"0")
    assert web.decode_signed_value(SECRET, "key", forged) == b"value"
    assert any(a != b and len(a) == len(b) for a, b in asked)
