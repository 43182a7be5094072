"""Who may use a service: keys, and addresses of this machine alone."""

import pytest

from wav2tok.errors import UserError
from wav2tok.service.settings import KEYS, Settings, is_loopback, read_keys, require_protected


@pytest.mark.parametrize(("host", "own"), [
    ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("[::1]", True), ("localhost", True), ("LOCALHOST", True),
    ("0.0.0.0", False), ("::", False), ("192.168.0.4", False), ("localhost.evil.example", False), ("", False),
])  # fmt: skip
def test_addresses_of_this_machine_alone(host, own):
    assert is_loopback(host) == own


def test_keys_come_from_a_file_and_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv(KEYS, "one, two")
    (tmp_path / "keys").write_text("# of the players\nthree  # Ann's\n\n")
    assert read_keys(tmp_path / "keys") == {"one", "two", "three"}
    monkeypatch.delenv(KEYS)
    assert read_keys(None) == frozenset()
    assert "three" not in repr(Settings("m", keys=frozenset({"three"})))


@pytest.mark.parametrize(("text", "sentence"), [("# none\n", "holds no API key"), ("two words\n", "holds a space")])
def test_a_file_without_usable_keys(tmp_path, text, sentence):
    (tmp_path / "keys").write_text(text)
    with pytest.raises(UserError, match=sentence):
        read_keys(tmp_path / "keys")


@pytest.mark.promise(
    "A service that other machines could reach without a key", "It does not start, unless --no-auth is given."
)
@pytest.mark.parametrize(("settings", "no_auth", "allowed"), [
    (Settings("m"), False, True),
    (Settings("m", host="0.0.0.0"), False, False),
    (Settings("m", host="0.0.0.0"), True, True),
    (Settings("m", host="0.0.0.0", keys=frozenset({"k"})), False, True),
])  # fmt: skip
def test_other_machines_need_a_key(settings, no_auth, allowed):
    if allowed:
        require_protected(settings, no_auth)
    else:
        with pytest.raises(UserError, match=r"0.0.0.0 lets other machines in, and there is no API key"):
            require_protected(settings, no_auth)
