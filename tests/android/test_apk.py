"""The finished APK, looked at with Android's own tools."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

import masklens
from tests.android.conftest import bundle_folder, run
from tests.conftest import ROOT

# In Android's Java only since 7 or 8; the app runs on 6.
TOO_NEW = re.compile(r"Ljava/(nio/file|time|util/stream|util/function|util/Base64|util/Optional)")


def test_badging(apk: Path) -> None:
    badging = run("aapt", "dump", "badging", apk)
    assert "package: name='org.masklens.app'" in badging
    assert f"versionName='{masklens.__version__}'" in badging
    assert "sdkVersion:'23'" in badging
    assert "targetSdkVersion:'34'" in badging
    assert "application-label:'masklens'" in badging
    assert "launchable-activity: name='org.masklens.app.MainActivity'" in badging
    permissions = re.findall(r"uses-permission[^:]*: name='([^']+)'", badging)
    assert permissions == ["android.permission.CAMERA"]
    required = re.findall(r"^\s*uses-feature: name='([^']+)'", badging, re.MULTILINE)
    assert required == ["android.hardware.faketouch"], "devices without a camera are welcome"
    assert "application-debuggable" not in badging


def test_size(apk: Path) -> None:
    assert apk.stat().st_size <= 8_000_000


@pytest.mark.parametrize(("scheme", "android"), [(1, 23), (2, 24), (3, 34)])
def test_signature(apk: Path, scheme: int, android: int) -> None:
    # Of several signatures apksigner looks only at the one that the given Androids would.
    versions = ("--min-sdk-version", android, "--max-sdk-version", android)
    said = run("apksigner", "verify", "-v", *map(str, versions), apk)
    assert re.search(rf"Verified using v{scheme} scheme [^:]*: true", said), said


def test_signature_on_every_android(apk: Path) -> None:
    said = run("apksigner", "verify", "-v", "--min-sdk-version", "23", apk)
    for scheme in (1, 2, 3):
        assert re.search(rf"Verified using v{scheme} scheme [^:]*: true", said), said


def test_signature_breaks_with_the_file(apk: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.apk"
    content = bytearray(apk.read_bytes())
    content[len(content) // 3] ^= 1
    changed.write_bytes(content)
    assert subprocess.run(["apksigner", "verify", changed], capture_output=True).returncode != 0


def test_alignment(apk: Path) -> None:
    run("zipalign", "-c", "-p", "4", apk)
    with zipfile.ZipFile(apk) as archive:
        table = archive.getinfo("resources.arsc")
        assert table.compress_type == zipfile.ZIP_STORED, "Android 11 would refuse it"
        for name in archive.namelist():
            assert not name.endswith((".jar", ".class", ".java", "~")), name
            if name.endswith(".tflite"):
                stored = archive.getinfo(name).compress_type == zipfile.ZIP_STORED
                assert stored, "LiteRT maps its files from where they lie"


def test_classes(build: Path, apk: Path) -> None:
    said = run("dexdump", "-d", apk)
    defined = set(re.findall(r"Class descriptor\s*: 'L([^;]+);'", said))
    assert "org/masklens/app/MainActivity" in defined
    assert "org/masklens/app/AssetRouter" in defined
    assert all(name.startswith("org/masklens/app/") for name in defined)
    assert not TOO_NEW.findall(said)


def test_page_sees_the_three_functions_of_the_bridge_and_no_others(apk: Path) -> None:
    said = run("dexdump", "-a", apk)
    reached = re.findall(r"on method #\d+ '(\w+)'\s+VISIBILITY_RUNTIME L(\S+);", said)
    assert sorted(reached) == [
        (name, "android/webkit/JavascriptInterface") for name in ("keepScreenOn", "save", "share")
    ]


def test_page_and_models_are_the_built_ones(apk: Path) -> None:
    page = ROOT / "src/masklens/server/page"
    with zipfile.ZipFile(apk) as archive:
        packed = {name for name in archive.namelist() if name.startswith("assets/")}
        built = {
            f"assets/page/{file.relative_to(page).as_posix()}": file
            for file in page.rglob("*")
            if file.is_file()
        }
        assert {name for name in packed if not name.endswith(".tflite")} == set(built)
        for name, file in built.items():
            assert archive.read(name) == file.read_bytes(), name
        licences = archive.read("assets/page/licences.txt").decode()
        assert "Copyright (c) Microsoft Corporation" in licences
        assert "Apache License" in licences


def test_bundle_is_the_shipped_one(apk: Path) -> None:
    folder = bundle_folder()
    card = json.loads((folder / "card.json").read_text())
    with zipfile.ZipFile(apk) as archive:
        held = {
            name.removeprefix("assets/page/model/"): archive.read(name)
            for name in archive.namelist()
            if name.startswith("assets/page/model/")
        }
    for name, content in held.items():
        assert content == (folder / name).read_bytes(), name
    litert = {name: facts["bytes"] for name, facts in card["files"].items() if ".tflite" in name}
    fits = apk.stat().st_size + sum(litert.values()) < 7_900_000
    models = {name for name in card["files"] if name.endswith((".onnx", ".tflite"))}
    missing = {"card.json", *models} - set(held)
    assert not missing or (missing == set(litert) and not fits)


def test_clean_checkout_gives_the_same_bytes(build: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "somewhere else"
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            target = checkout / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
            target.chmod((ROOT / name).stat().st_mode)
    run("scripts/android", cwd=checkout)
    for name in ("masklens-unsigned.apk", "masklens.apk"):
        digests = {
            hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for folder in (build, checkout / "android" / "build")
        }
        assert len(digests) == 1, name


def test_release_key_comes_from_the_environment(build: Path, tmp_path: Path) -> None:
    # Signing alone: the build before it is the same.
    store = tmp_path / "release.keystore"
    run(
        *("keytool", "-genkeypair", "-keystore", store, "-storetype", "PKCS12"),
        *("-storepass", "secret-1", "-alias", "mine", "-keyalg", "RSA", "-keysize", "2048"),
        *("-validity", "10", "-dname", "CN=release"),
    )
    checkout = tmp_path / "tree"
    shutil.copytree(ROOT / "scripts", checkout / "scripts")
    shutil.copytree(ROOT / "android" / "app", checkout / "android" / "app")
    for name in ("pom.xml", "pack.py", "tools.sha256"):
        shutil.copy(ROOT / "android" / name, checkout / "android" / name)
    shutil.copytree(build / "lib", checkout / "android" / "build" / "lib")
    (checkout / "src" / "masklens").mkdir(parents=True)
    shutil.copy(ROOT / "src/masklens/__init__.py", checkout / "src/masklens/__init__.py")
    run(
        "scripts/android",
        cwd=checkout,
        MASKLENS_PAGE=str(ROOT / "src/masklens/server/page"),
        MASKLENS_BUNDLE=str(bundle_folder()),
        MASKLENS_KEYSTORE=str(store),
        MASKLENS_KEYSTORE_PASSWORD="secret-1",
        MASKLENS_KEY_ALIAS="mine",
    )
    said = run(
        "apksigner", "verify", "--print-certs", checkout / "android" / "build" / "masklens.apk"
    )
    assert "CN=release" in said
    assert "masklens debug" not in said
