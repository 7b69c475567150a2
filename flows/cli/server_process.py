"""The local Prefect server's process."""

from __future__ import annotations

import sys

import uvicorn


def main() -> None:
    """Serve on the port that is given as the only argument."""
    uvicorn.run(
        "prefect.server.api.server:create_app",
        factory=True,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="critical",
        lifespan="on",
    )


if __name__ == "__main__":
    main()
