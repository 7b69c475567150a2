"""Who may ask for what: tokens, of which only digests are kept, and their scopes.

``python -m deployments.api.tokens NAME SCOPE...`` makes a token: it prints the token, once, and the
line that the file of tokens takes.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import hmac
import logging
import re
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tasks.core.phrasing import counted

Scope = Literal["read", "submit", "metrics", "admin"]
SCOPES: dict[str, str] = {
    "read": "status, lists and results of the client's own jobs",
    "submit": "uploads, new jobs, and the end of the client's own ones",
    "metrics": "the figures for Prometheus",
    "admin": "everything, and the jobs of all clients",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TOKEN_BYTES = 24
_log = logging.getLogger("tyre3d.api")


@dataclass(frozen=True)
class Client:
    """Whoever bears a token.

    Args:
        name: Jobs belong to it; empty for the token of the settings.
        scopes: What it may ask for.
    """

    name: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        """Whether it may ask for what needs this scope."""
        return scope in self.scopes or "admin" in self.scopes

    @property
    def owner(self) -> str | None:
        """The client whose jobs alone it sees; None: it sees all."""
        return None if "admin" in self.scopes else self.name


def digest_of(token: str) -> str:
    """What is kept of a token: tokens are long and random, so that one SHA-256 is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def parse_tokens(text: str) -> list[tuple[str, Client]]:
    """Digests and clients of a file of tokens: ``NAME SCOPE[,SCOPE...] SHA256`` a line.

    Empty lines and those that begin with ``#`` say nothing. Two lines may bear one name: while one
    token replaces another, both are the same client's.

    Raises:
        ValueError: A line is none of these; its number is told, its content is not.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = line.split()
        scopes = frozenset(parts[1].split(",")) if len(parts) == 3 else frozenset()
        if not scopes or not scopes <= set(get_args(Scope)):
            raise ValueError(f"line {number}: it should be NAME SCOPE[,SCOPE...] SHA256")
        if _NAME.fullmatch(parts[0]) is None:
            raise ValueError(f"line {number}: a name is a-z, 0-9 and -, at most 40 of them")
        if _DIGEST.fullmatch(parts[2]) is None:
            raise ValueError(f"line {number}: the digest is no SHA-256 in small letters")
        found.append((parts[2], Client(parts[0], scopes)))
    return found


class Tokens:
    """The tokens that are valid now; a file of them is read again when it changes.

    Args:
        plain: Tokens of the settings, which may everything.
        path: A file of further ones.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged.
    """

    def __init__(self, plain: list[str], path: Path | None) -> None:
        master = Client("", frozenset({"admin"}))
        self._plain = [(digest_of(token), master) for token in plain]
        self._path = path
        self._listed: list[tuple[str, Client]] = []
        self._seen: tuple[int, ...] = ()
        if path is not None:
            self._seen = self._look(path)
            self._listed = parse_tokens(path.read_text(encoding="utf-8-sig"))

    def client_of(self, token: str) -> Client | None:
        """The client whose token it is, None if it is nobody's."""
        self._refresh()
        digest, found = digest_of(token), None
        for known, client in (*self._plain, *self._listed):  # all, so that the time tells nothing
            if hmac.compare_digest(known, digest):
                found = client
        return found

    @staticmethod
    def _look(path: Path) -> tuple[int, ...]:
        status = path.stat()
        return (status.st_mtime_ns, status.st_size, status.st_ino)

    def _refresh(self) -> None:
        """Read the file again where it was changed; one that is damaged changes nothing."""
        if self._path is None:
            return
        seen: tuple[int, ...] = ()  # as long as it is away; told once, not at every request
        try:
            with contextlib.suppress(FileNotFoundError):
                seen = self._look(self._path)
            if seen != self._seen:
                self._seen = seen
                self._listed = parse_tokens(self._path.read_text(encoding="utf-8-sig"))
                _log.info("file of tokens: read again, %s", counted(len(self._listed), "token"))
        except (OSError, ValueError) as exc:
            _log.error("file of tokens: %s; the tokens that were read before stay valid", exc)


def main(argv: list[str] | None = None) -> int:
    """Make a token."""
    parser = argparse.ArgumentParser(prog="python -m deployments.api.tokens", description=__doc__)
    parser.add_argument("name", help="the client's: a-z, 0-9 and -")
    parser.add_argument("scopes", nargs="+", choices=list(SCOPES), metavar="SCOPE")
    options = parser.parse_args(argv)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    line = f"{options.name} {','.join(options.scopes)} {digest_of(token)}"
    try:
        parse_tokens(line)
    except ValueError:
        parser.error("the name should be a-z, 0-9 and -, at most 40 of them")
    sys.stdout.write(f"token, for the client: {token}\nline, for the file:    {line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
