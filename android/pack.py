"""Packs the app's parts into an APK whose bytes depend on their contents only.

In come the archive that aapt made of manifest and resources, the classes and the folder of assets;
out goes an unsigned APK: entries in order of their names, all of one date, none with a trace of the
machine. Android 11 and later refuse an APK whose ``resources.arsc`` is compressed, so it is not;
neither are LiteRT's files, which are mapped into memory where they lie, nor what gains nothing.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

STORED = (".arsc", ".tflite", ".png", ".jpg", ".webp")
DATE = (1980, 1, 1, 0, 0, 0)


def pack(resources: Path, classes: Path, assets: Path, target: Path) -> None:
    """Write ``target`` from the three parts."""
    with zipfile.ZipFile(resources) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents["classes.dex"] = classes.read_bytes()
    for file in assets.rglob("*"):
        if file.is_file():
            contents["assets/" + file.relative_to(assets).as_posix()] = file.read_bytes()
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, DATE)
            entry.external_attr = 0
            entry.create_system = 0
            stored = name.endswith(STORED)
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(entry, contents[name], compresslevel=9)


if __name__ == "__main__":
    pack(*map(Path, sys.argv[1:]))
