"""Buckets that are served on this machine."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass(frozen=True)
class Served:
    """A server of buckets.

    Attributes:
        files: Arrow's file system on it.
        address: makes the address of a place, with what is needed to reach it.
        requests: by method, as they come.
    """

    files: Any
    address: Callable[[str], str]
    requests: Counter[str] = field(default_factory=Counter)


@contextmanager
def s3() -> Iterator[Served]:
    """As Amazon's: with the buckets ``photos`` and ``masks``."""
    moto = pytest.importorskip("moto.server", reason="moto, which serves the bucket, is not installed")
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication
    from pyarrow import fs

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        try:
            host = "{}:{}".format(*server.get_host_and_port())
            files = fs.S3FileSystem(
                access_key="key",
                secret_key="secret",
                endpoint_override=host,
                scheme="http",
                region="us-east-1",
                allow_bucket_creation=True,
            )
            files.create_dir("photos")
            files.create_dir("masks")
            options = f"scheme=http&endpoint_override={host.replace(':', '%3A')}&region=us-east-1"
            served = Served(files, lambda place: f"s3://key:secret@{place}?{options}")
            answer = DomainDispatcherApplication.__call__

            def count(self: Any, environ: dict[str, Any], start_response: Any) -> Any:
                served.requests[environ["REQUEST_METHOD"]] += 1
                return answer(self, environ, start_response)

            patch.setattr(DomainDispatcherApplication, "__call__", count)
            yield served
        finally:
            server.stop()


@contextmanager
def gcs() -> Iterator[Served]:
    """As Google's: with the bucket ``photos``."""
    emulator = pytest.importorskip(
        "gcp_storage_emulator.server",
        reason="gcp-storage-emulator, which serves the bucket, is not installed",
    )
    from pyarrow import fs

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket="photos")
    server.start()
    try:
        host = f"127.0.0.1:{port}"
        files = fs.GcsFileSystem(anonymous=True, endpoint_override=host, scheme="http")
        options = f"scheme=http&endpoint_override={host.replace(':', '%3A')}"
        yield Served(files, lambda place: f"gs://anonymous@{place}?{options}")
    finally:
        server.stop()
