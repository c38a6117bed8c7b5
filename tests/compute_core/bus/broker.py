"""A RabbitMQ broker that a test may stop and start again, its queues kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from scenarios.testrun import free_port
from tests import services


class Broker:
    """One node in a folder, at a fixed port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port, self._names_port, self._dist_port = (free_port() for _ in range(3))
        self._node: AbstractContextManager[None] | None = None
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self._port}\n", encoding="utf-8")
        (folder / "enabled_plugins").write_text("[].\n", encoding="utf-8")
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}/"

    def names(self) -> AbstractContextManager[None]:
        command = [services._program("epmd"), "-d", "-d", "-address", "127.0.0.1", "-port", str(self._names_port)]
        return services.server(command, self._folder, "entering the main select", environment=self._environment())

    def start(self) -> None:
        self._node = services.server(
            [services._program("rabbitmq-server")], self._folder, "completed with", environment=self._environment()
        )
        self._node.__enter__()

    def stop(self) -> None:
        if self._node is not None:
            self._node.__exit__(None, None, None)
            self._node = None

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "HOME": str(self._folder),
            "ERL_EPMD_PORT": str(self._names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"inova-{self._port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none",
        }


@contextmanager
def broker() -> Iterator[Broker]:
    """A started broker."""
    with services.private_folder(None) as folder:
        node = Broker(folder)
        with node.names():
            node.start()
            try:
                yield node
            finally:
                node.stop()
