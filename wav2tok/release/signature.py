"""Signatures with one's own elliptic-curve key, in the format of the package model-signing.

Signed is what `travels`, and so what ``wav2tok pull`` brings. Keys are PEM files, such as these commands make::

    openssl ecparam -name prime256v1 -genkey -noout -out key.pem
    openssl ec -in key.pem -pubout -out key.pub
"""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wav2tok.errors import UserError, reason
from wav2tok.extras import need
from wav2tok.tokenizer.format import CARD_FILE, PASSPORT_FILE, SIGNATURE_FILE
from wav2tok.untrusted import require_regular


def travels(name: str) -> bool:
    """Whether a file of an exported folder is part of the model that others get: a graph, the card or the passport."""
    return re.fullmatch(r"tokenizer(\.\w+)?\.onnx", name) is not None or name in (CARD_FILE, PASSPORT_FILE)


def sign(folder: Path, key: Path) -> None:
    """Write the signature of a folder's files into it.

    Args:
        key: a private elliptic-curve key, PEM, without a password.

    Raises:
        UserError: model-signing is not installed, or ``key`` is not such a key.
    """
    need("sign")
    from model_signing import signing

    way_out = f"make one with: openssl ecparam -name prime256v1 -genkey -noout -out {key.name}"
    with _reading(key, "a private elliptic-curve key in a PEM file without a password", way_out, "sign"):
        config = signing.Config().use_elliptic_key_signer(private_key=key)
    with tempfile.TemporaryDirectory(prefix="wav2tok-") as signed:
        for path in folder.iterdir():
            if travels(path.name):
                shutil.copyfile(path, Path(signed) / path.name)
        config.sign(signed, folder / SIGNATURE_FILE)


def verify(folder: Path, key: Path, model: str) -> None:
    """Check the signature of a folder that holds nothing but what `travels` and the signature.

    Args:
        key: the public key that belongs to the one it was signed with, PEM.
        model: what its model is called, for errors.

    Raises:
        UserError: model-signing is not installed, ``key`` is not a public key, or the signature is missing, by another
            key, or of other files.
    """
    need("sign")
    from cryptography.exceptions import InvalidSignature
    from model_signing import hashing, verifying

    way_out = "name the one that belongs to the key that the model was signed with."
    with _reading(key, "a public elliptic-curve key in a PEM file", way_out, "verify"):
        config = verifying.Config().use_elliptic_key_verifier(public_key=key)
    if not (folder / SIGNATURE_FILE).is_file():
        raise UserError(
            f"{model} has no signature ({SIGNATURE_FILE}), so it cannot be verified; export it with --sign, or pull it "
            "without --verify.",
            "verify",
        )
    config.set_hashing_config(hashing.Config().set_ignored_paths(paths=[SIGNATURE_FILE]))
    try:
        config.verify(folder, folder / SIGNATURE_FILE)
    except (ValueError, KeyError, IndexError, TypeError, InvalidSignature) as error:
        why = reason(error) or "it was made with another key"
        raise UserError(
            f"the signature of {model} does not hold ({why}); do not use this copy, or name the right key.", "verify"
        ) from None


def require_key(key: Path | None, parameter: str) -> None:
    """Refuse what cannot be a key, before the work is done.

    Args:
        key: a PEM file; None if none is asked for.

    Raises:
        UserError: ``key`` is missing or is not a regular file.
    """
    if key is not None:
        require_regular(key, parameter)


@contextlib.contextmanager
def _reading(key: Path, kind: str, way_out: str, parameter: str) -> Iterator[None]:
    """Raise one sentence for whatever a file that is not a key makes the libraries raise."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        yield
    except (OSError, ValueError, TypeError, AttributeError, UnsupportedAlgorithm) as error:
        raise UserError(f"{key} is not {kind} ({reason(error)}); {way_out}", parameter) from None
