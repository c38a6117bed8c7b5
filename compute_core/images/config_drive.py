"""Config drives: the medium from which a guest's cloud-init learns who it is, an ISO 9660 with Rock Ridge and Joliet.

Blocking; for threads. May not know what the files say.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pycdlib

LABEL = "config-2"
"""By which guests find it."""


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a medium with these files, by their paths. What guests see are their names; those of ISO 9660 itself are numbers."""
    medium = pycdlib.PyCdlib()
    medium.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    places = {PurePosixPath("/"): ""}
    for number, name in enumerate(sorted(files)):
        whole = PurePosixPath("/", name)
        for folder in reversed(whole.parents[:-1]):
            if folder not in places:
                places[folder] = f"{places[folder.parent]}/D{len(places):07d}"
                medium.add_directory(places[folder], rr_name=folder.name, joliet_path=str(folder))
        place = f"{places[whole.parent]}/F{number:07d}.;1"
        medium.add_fp(io.BytesIO(files[name]), len(files[name]), place, rr_name=whole.name, joliet_path=str(whole))
    medium.write(str(path))
    medium.close()
