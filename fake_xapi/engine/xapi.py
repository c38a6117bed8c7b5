"""One simulated XAPI: a world, and everything that runs over it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextvars import Context
from dataclasses import replace
from typing import Any, TypeVar

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import Personality, personality
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.admission import Admission
from fake_xapi.engine.audit import AuditLog, note
from fake_xapi.engine.call import RunningCall
from fake_xapi.engine.clock import Clock
from fake_xapi.engine.derive import derive
from fake_xapi.engine.dispatch import dispatch, perform
from fake_xapi.engine.events import Events
from fake_xapi.engine.http_tasks import TransferTask, UnseenTask
from fake_xapi.engine.logins import authenticate, authenticate_host
from fake_xapi.engine.rbac import HTTP_PREFIX, denied, public_actions
from fake_xapi.engine.routes import RouteTable, routes
from fake_xapi.engine.sessions import Sessions
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.surroundings import ALONE, Surroundings
from fake_xapi.engine.tasks import Tasks
from fake_xapi.engine.transfer_calls import begin_transfer, unseen_call
from fake_xapi.state.chance import Chance
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.access.server_certificates import FILES, is_from_the_factory, key_bits, key_file, put_self_signed
from fake_xapi.verbs.disks.media import Arrays
from fake_xapi.verbs.hosts import dom0_files

log = logging.getLogger(__name__)
Credential = str | tuple[str, str]
T = TypeVar("T")
DEFAULT_SETTINGS = Settings()
QUIET_ACTIONS = frozenset({"rrd_updates", "post_remote_db_access"})
"""HTTP actions that would only fill the audit log."""
NONE_LOST: frozenset[Id] = frozenset()


class Xapi:
    """Answers calls over one world. ``host`` is the host that it runs on; ``disks`` hold the bytes of the VDIs by their ids."""

    __slots__ = (
        "_background", "admission", "around", "arrays", "at_point", "audit", "calls", "chance", "clock", "disks", "events", "host", "lost",
        "neighbour", "routes", "sessions", "settings", "tasks", "world",
    )  # fmt: skip

    def __init__(self, world: World, host: Id, disks: DiskStore, settings: Settings = DEFAULT_SETTINGS, clock: Clock | None = None) -> None:
        self.world = world
        self.host = host
        self.disks = disks
        self.arrays = Arrays(disks, settings.storage)
        """The storage outside the hosts; the pools of a fleet see the same."""
        self.settings = settings
        self.clock = clock or Clock()
        self.routes: RouteTable = routes(world.personality.name)
        self.chance = Chance(world.seed)
        self.sessions = Sessions(self)
        self.audit = AuditLog()
        """Who called what; a fleet's hosts share one log."""
        self.tasks = Tasks(self)
        self.admission = Admission(self)
        self.events = Events(world)
        self.calls: dict[Id, RunningCall] = {}
        """The calls under way that have a task."""
        self.neighbour: Callable[[str], Xapi | None] = _nobody
        """The XAPI of another pool in this process by the address of its master; None for an address that nobody here has."""
        self.around: Surroundings = ALONE
        self.lost = NONE_LOST
        """Hosts of the pool whose machines do not answer."""
        self.at_point: Callable[[RunningCall, str], Awaitable[None]] | None = None
        """What is asked before each phase of an operation, by its name in the profile of durations; None when nobody asks."""
        self._background: dict[str, asyncio.Task[None]] = {}
        world.derive = derive

    @property
    def personality(self) -> Personality:
        """The release that it pretends to be."""
        return self.world.personality

    @property
    def is_master(self) -> bool:
        """Whether it answers for its pool."""
        return True

    @property
    def leader(self) -> Xapi:
        """The XAPI of the pool that it belongs to."""
        return self

    @property
    def stored_error(self) -> Failure | None:
        """Why it is in emergency mode: a master never is."""
        return None

    def heeds(self, address: str) -> bool:  # noqa: ARG002  # a member has an opinion
        """Whether it takes the host at an address for its master."""
        return True

    def heed(self, address: str) -> None:
        """Take the host at an address for the master; one that is master itself does not."""

    def become(self, release: str) -> None:
        """Be of another release from now on; what is known stays. ValueError when there is none of that name."""
        self.world.personality = personality(release)
        self.world.forget_encodings()
        self.routes = routes(self.world.personality.name)

    def authority(self, host: Id) -> str:
        """How a client dials a host of its pool."""
        return self.leader.around.authority(self.leader, self.world[host]["address"])

    def now(self) -> str:
        """The date by the loop's clock."""
        return self.clock.now()

    def admits(self, user: str, password: str) -> bool:
        """Whether these are the credentials of the local superuser."""
        return self.sessions.check_password(user, password)

    def set_password(self, password: str) -> None:
        """Change the only password of the host."""
        self.settings = replace(self.settings, password=password)

    def dispatch(self, method: str, params: list[Any]) -> Any:
        """A wire value or ``Records``, or a coroutine that gives one; raises Failure with texts as parameters."""
        return dispatch(self, method, params)

    async def perform(self, session: Id, message: str, params: Sequence[Any]) -> Any:
        """Send a message from within, its params state values; MESSAGE_METHOD_UNKNOWN when the release has none of that name."""
        return await perform(self, session, message, params)

    def cancel(self, task: Id) -> None:
        """Make the call behind a task stop, if it still runs and can."""
        call = self.calls.get(task)
        if call is not None and call.can_be_cancelled:
            call.cancel()

    def spawn(self, name: str, work: Coroutine[Any, Any, None], context: Context | None = None) -> None:
        """Let work go on by itself until it ends or the XAPI does; one of that name that still runs is cancelled first."""
        self.stop(name)
        task = asyncio.get_running_loop().create_task(work, name=name, context=context)
        self._background[name] = task
        task.add_done_callback(self._ended)

    def stop(self, name: str) -> None:
        """Cancel background work, if it still runs."""
        task = self._background.pop(name, None)
        if task is not None:
            task.cancel()

    def stop_all(self, beginnings: tuple[str, ...]) -> None:
        """Cancel all background work whose names begin so."""
        for name in [name for name in self._background if name.startswith(beginnings)]:
            self.stop(name)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._background.get(task.get_name()) is task:
            del self._background[task.get_name()]
        if not task.cancelled() and task.exception() is not None:
            log.error("background work %s failed", task.get_name(), exc_info=task.exception())

    async def close(self) -> None:
        """End everything that still runs."""
        self.tasks.close()
        self.sessions.close()
        running = list(self._background.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def authorise(self, credential: Credential, action: str) -> Id:
        """The session of an HTTP request: its ref, or user and password, for which one is begun.

        ``action`` is the name of the HTTP action. Failure SESSION_INVALID, RBAC_PERMISSION_DENIED, or what a login is refused with.
        """
        if isinstance(credential, str):
            caller = self.sessions.caller(credential)
        else:
            user, password = credential
            begun = authenticate(self, user, password) if user else authenticate_host(self, password)
            caller = self.sessions.caller(self.world.ref(begun))
        if caller.may is not None and action not in public_actions() and HTTP_PREFIX + action not in caller.may:
            if not isinstance(credential, str):
                self.sessions.end(caller.identity)
            failure = denied(self.personality.name, HTTP_PREFIX + action)
            note(self, caller.who, HTTP_PREFIX + action, (), failure)
            raise failure
        if action not in QUIET_ACTIONS:
            note(self, caller.who, HTTP_PREFIX + action, ())
        return caller.identity

    async def transfer(self, action: str, bytes_moved: int, work: Callable[[], Awaitable[T]]) -> T:
        """Let pass what moving the bytes takes by the profile ("import_raw_vdi"), then do the work and give its answer."""
        what = action.partition("_")[2]
        seconds = self.settings.durations.seconds(what, bytes_moved, self.chance.stream("transfers"))
        if seconds:
            await asyncio.sleep(seconds)
        return await work()

    def begin_transfer(self, name: str, session: Id, task_ref: str) -> RunningCall:
        """A handler's transfer as a call."""
        return begin_transfer(self, name, session, task_ref)

    def unseen_call(self, name: str) -> RunningCall:
        """What happens of itself, as a call without session and task."""
        return unseen_call(self, name)

    def server_identity(self) -> tuple[str, str]:
        """The certificate with which its host serves clients, and its key, as PEM; made now if the host has none yet."""
        if is_from_the_factory(dom0_files.read(self.world, FILES["host"], self.host)):
            with self.world.edit() as edit:
                put_self_signed(self.world, edit, self.host, "host", self.now(), key_bits(self.world, self.host))
        certificate, key = (dom0_files.read(self.world, path, self.host) for path in (FILES["host"], key_file("host")))
        return certificate or "", key or ""

    def audit_lines(self, since: str) -> Iterator[str]:
        """The lines of the pool's audit log from a date on."""
        return self.audit.lines(self.world, since)

    def http_task(self, task_ref: str) -> TransferTask | UnseenTask:
        """The task that a client named for a transfer; with "" one that nobody sees. Failure HANDLE_INVALID when it is gone."""
        if not task_ref:
            return UnseenTask()
        task = self.world.find_ref(task_ref)
        row = self.world.get(task) if task else None
        if row is None or row.cls != "task":
            raise Failure("HANDLE_INVALID", "task", task_ref)
        return TransferTask(self.world, self.tasks, task)


def _nobody(address: str) -> Xapi | None:
    """The neighbours of an XAPI that stands alone."""
    return None
