"""API keys: from the environment or from a file that only its owner can read; shown nowhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from envs.core.errors import FixInput, FixSettings
from runtime.adapters.ccxt_factory import LOCAL_KEYS, Keys
from runtime.wiring.plan import VenueName

_MOST_BYTES = 4_096
NAMES: Mapping[str, tuple[str, str]] = {
    "demo": ("QT_DEMO_API_KEY", "QT_DEMO_API_SECRET"),
    "live": ("QT_LIVE_API_KEY", "QT_LIVE_API_SECRET"),
}


def keys_for(venue: VenueName, environ: Mapping[str, str]) -> Keys:
    """Keys of a venue: ``NAME``, or the content of the file that ``NAME_FILE`` names.

    Raises:
        FixSettings: Missing, or given twice.
        FixInput: A file that others can read, or that is no key.
    """
    if venue not in NAMES:
        return LOCAL_KEYS
    return Keys(*(secret_of(name, environ, needed_by=f"--venue {venue}") for name in NAMES[venue]))


def secret_of(name: str, environ: Mapping[str, str], needed_by: str = "") -> str:
    """A secret from ``NAME`` or the file of ``NAME_FILE``; empty where neither is set.

    Raises:
        FixSettings: Neither is set and it is needed, or both are.
        FixInput: See ``read_secret``.
    """
    direct, file = environ.get(name, "").strip(), environ.get(f"{name}_FILE", "").strip()
    if direct and file:
        raise FixSettings(f"{name} and {name}_FILE are both set: keep one")
    if file:
        # systemd shows the files of LoadCredential as readable by a group that it gives to nobody.
        kept = environ.get("CREDENTIALS_DIRECTORY", "")
        private = bool(kept) and Path(file).parent == Path(kept)
        return read_secret(Path(file), f"{name}_FILE", private)
    if not direct and needed_by:
        raise FixSettings(
            f"{needed_by} needs {name}, or {name}_FILE with a file of mode 600 (docs/testnet.md)"
        )
    return direct


def read_secret(path: Path, name: str, private: bool = False) -> str:
    """Content of a secret's file, without white space around it; ``private``: whatever its mode.

    Raises:
        FixInput: It is missing, not a file, empty, has several lines, or others can read it.
    """
    try:
        # Checked on what was opened: the name may mean another file a moment later.
        with path.open("rb") as stream:
            found = os.fstat(stream.fileno())
            body = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise FixInput(f"{name}={path}: cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise FixInput(f"{name}={path}: is no regular file")
    if found.st_mode & 0o077 and not private:
        mode = stat.S_IMODE(found.st_mode)
        raise FixInput(f"{name}={path}: mode {mode:o} lets others read it: chmod 600 {path}")
    try:
        text = body.decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(body) > _MOST_BYTES or len(text.split()) != 1:
        raise FixInput(f"{name}={path}: one line with the secret alone is expected")
    return text
