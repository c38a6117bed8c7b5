"""Real PostgreSQL and RabbitMQ servers for tests: on loopback, on free ports, in a private folder, gone when the tests are.

A server runs in the foreground as a child of the test process and dies with it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from scenarios import prerequisites
from scenarios.testrun import free_port

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 30


@contextmanager
def postgresql() -> Iterator[str]:
    """A private PostgreSQL cluster; yields its URL for SQLAlchemy's asyncpg dialect."""
    port = free_port()
    with private_folder("postgres") as folder:
        options = {
            "port": str(port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
        }
        _run_as(
            "postgres", [_program("initdb"), "-D", f"{folder}/cluster", "-U", "inova", "-A", "trust", "-E", "UTF8", "--no-sync"], folder
        )
        command = [_program("postgres"), "-D", f"{folder}/cluster", *(f"--{name}={value}" for name, value in options.items())]
        with server(_as_user("postgres") + command, folder, "ready to accept connections", stop=signal.SIGINT):
            yield f"postgresql+asyncpg://inova@127.0.0.1:{port}/postgres"


@contextmanager
def rabbitmq() -> Iterator[str]:
    """A private RabbitMQ node with a name service of its own; yields its URL."""
    port, names_port, dist_port = free_port(), free_port(), free_port()
    with private_folder(None) as folder:
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\n", encoding="utf-8")
        (folder / "enabled_plugins").write_text("[].\n", encoding="utf-8")
        environment = {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"inova-{port}@localhost",
            "RABBITMQ_DIST_PORT": str(dist_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none",
        }
        names = [_program("epmd"), "-d", "-d", "-address", "127.0.0.1", "-port", str(names_port)]
        with (
            server(names, folder, "entering the main select", environment=environment),
            server([_program("rabbitmq-server")], folder, "completed with", environment=environment),
        ):
            yield f"amqp://guest:guest@127.0.0.1:{port}/"


@contextmanager
def private_folder(owner: str | None) -> Iterator[Path]:
    """A temporary folder, given to another user when we are root and that user must own it."""
    folder = Path(tempfile.mkdtemp(prefix="inova-test-"))
    try:
        if owner and os.geteuid() == 0:
            shutil.chown(folder, owner)
        yield folder
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> str:
    path = prerequisites.find(name)
    if path is None:
        raise FileNotFoundError(f"{name} is not installed; {prerequisites.cure([prerequisites.PROGRAMS[name]])}")
    return str(path)


def _as_user(user: str) -> list[str]:
    """What to put before a command that refuses to run as root."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if os.geteuid() == 0 else []


def _run_as(user: str, command: list[str], folder: Path) -> None:
    subprocess.run(_as_user(user) + command, cwd=folder, check=True, capture_output=True)


@contextmanager
def server(
    command: list[str],
    folder: Path,
    ready: str,
    *,
    environment: Mapping[str, str] | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[None]:
    """Run a server in the foreground, from the line that says that it is ready until the block ends."""
    bound_to_us = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    process = subprocess.Popen(
        bound_to_us + command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log: deque[str] = deque(maxlen=200)
    reader = threading.Thread(target=log.extend, args=(process.stdout,))
    try:
        _wait_until_ready(process, ready, log)
        reader.start()
        yield
    finally:
        _stop(process, stop)
        if reader.ident is not None:
            reader.join()
        if process.stdout is not None:
            process.stdout.close()


def _stop(process: subprocess.Popen[str], stop: signal.Signals) -> None:
    process.send_signal(stop)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    process.kill()
    process.wait()


def _wait_until_ready(process: subprocess.Popen[str], ready: str, log: deque[str]) -> None:
    alarm = threading.Timer(START_TIMEOUT_S, process.kill)
    alarm.start()
    try:
        for line in process.stdout or ():
            log.append(line)
            if ready in line:
                return
    finally:
        alarm.cancel()
        alarm.join()
    raise RuntimeError(f"a server did not get ready: {process.args!r}\n{''.join(log)}")
