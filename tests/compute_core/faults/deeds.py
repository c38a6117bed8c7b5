"""What users do, and what is there before they do it: the deeds that cases of several areas are made of."""

from __future__ import annotations

from tests.compute_core.faults.case import Deed
from tests.compute_core.faults.scene import Scene


async def with_server(scene: Scene) -> None:
    """A server is there, and runs."""
    await scene.order()


async def with_cached_image(scene: Scene) -> None:
    """The host has had a server of the image."""
    await scene.order("first")
    await scene.quiet()
    await scene.delete("first")


def acting(action: str) -> Deed:
    """The server is acted upon."""
    return lambda scene: scene.act(action)


def having(*actions: str) -> Deed:
    """A server is there, and was acted upon."""

    async def prepare(scene: Scene) -> None:
        await scene.order()
        for action in actions:
            await scene.quiet()
            await scene.act(action)

    return prepare


def after(*deeds: Deed) -> Deed:
    """A server is there, and what was done with it has come to its end."""

    async def prepare(scene: Scene) -> None:
        await scene.order()
        for deed in deeds:
            await scene.quiet()
            await deed(scene)

    return prepare
