"""The S3 server of the tests."""

from __future__ import annotations

from tests.support.s3 import filesystem, s3_server


def test_a_server_has_nothing_of_the_one_before() -> None:
    with s3_server("bucket") as first:
        filesystem(first.endpoint).pipe_file("bucket/left", b"behind")
    with s3_server("bucket") as second:
        assert filesystem(second.endpoint).ls("bucket") == []
