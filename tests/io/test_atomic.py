"""Files are whole or not there, whatever the disk, the rights and the names are."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from masklens.dataset.scan import load_dataset
from masklens.errors import DatasetError, InputError, OutputError
from masklens.io.atomic import atomic_path, check_writable, write_bytes, write_json, write_text
from masklens.io.logs import check_log_writable
from masklens.io.pictures import read_picture, write_picture
from masklens.io.sources import find_pictures
from masklens.io.writers import JsonWriter


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Rights do not bind root."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder with a picture that may not even be looked into."""
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o011)
    folder = tmp_path / "closed"
    (folder / "with_mask").mkdir(parents=True)
    PillowImage.new("RGB", (8, 8)).save(folder / "with_mask" / "a.png")
    folder.chmod(0)
    yield folder
    folder.chmod(0o700)


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_folders_and_files_without_rights(closed: Path) -> None:
    PillowImage.new("RGB", (8, 8)).save(closed.parent / "beside.png")
    closed.parent.chmod(0o755)
    with as_nobody():
        with pytest.raises(InputError, match="cannot be looked into: Permission denied"):
            find_pictures([str(closed)])
        for search in ("{}", "{}/**/*.png", "{}/**/**/*.png"):
            told: list[InputError] = []
            found = find_pictures([search.format(closed.parent)], on_error=told.append)
            assert [path.name for path in found] == ["beside.png"]
            assert "closed cannot be looked into: Permission denied" in str(*told)
        told = []  # the file that the pattern's first part matches as well is no folder
        find_pictures([f"{closed.parent}/*/**"], on_error=told.append)
        assert ["Permission denied" in str(error) for error in told] == [True, False]
        inside = closed / "with_mask" / "a.png"
        assert list(find_pictures([str(inside)])) == [inside]  # said when it is read
        with pytest.raises(InputError, match="Permission denied"):
            read_picture(inside)
        with pytest.raises(DatasetError, match="Permission denied"):
            load_dataset(closed)
        for write in (check_writable, lambda path: write_text(path, "x")):
            with pytest.raises(OutputError, match="Permission denied"):
                write(closed / "r.json")


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
@pytest.mark.parametrize("name", ["with_mask", "with_mask/2021"])
def test_a_labels_folder_without_rights_is_named(tmp_path: Path, name: str) -> None:
    """Its pictures would be missing from a training, and nothing would say so."""
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    for folder in ("with_mask/2021", "without_mask", "lost+found"):
        (tmp_path / folder).mkdir(parents=True)
        PillowImage.new("RGB", (8, 8)).save(tmp_path / folder / "a.png")
    PillowImage.new("RGB", (8, 8)).save(tmp_path / "with_mask" / "b.png")
    (tmp_path / "lost+found").chmod(0)
    with as_nobody():
        assert len(load_dataset(tmp_path)) == 3
    (tmp_path / name).chmod(0)
    with as_nobody(), pytest.raises(DatasetError, match=f"Cannot read .*{name}: Permission denied"):
        load_dataset(tmp_path)
    for folder in (name, "lost+found"):
        (tmp_path / folder).chmod(0o700)


def test_checking_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "new.json")
    (tmp_path / "old.json").write_text("kept")
    check_writable(tmp_path / "old.json")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("old.json", "kept")]
    with pytest.raises(OutputError, match="is a folder"):
        check_writable(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    for target in ("new/deep/r.json", "there/new/r.json", "link/new/r.json"):
        check_writable(tmp_path / target)
    with pytest.raises(OutputError, match="too long"):
        check_writable(tmp_path / "new" / ("x" * 300))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["link", "old.json", "there"]


def test_a_table_that_is_open_in_excel_is_found_out_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows renames no file that is open, and none to its name; it is played here."""
    table = tmp_path / "faces.csv"
    table.write_text("old")
    rename, told = os.rename, "The process cannot access the file"

    def refuse(source: Path, target: Path) -> None:
        if table in (Path(source), Path(target)):
            raise PermissionError(errno.EACCES, told, str(source))
        rename(source, target)

    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, refuse)
    with pytest.raises(OutputError, match=f"Cannot write .*faces.csv: {told}"):
        check_writable(table)
    assert [path.name for path in tmp_path.iterdir()] == ["faces.csv"]


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_a_log_that_may_not_be_replaced_is_found_out_before_the_work(tmp_path: Path) -> None:
    """A log keeps its file: it needs rights to that, and none to the folder."""
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o011)
    ours, others = tmp_path / "ours.jsonl", tmp_path / "others.jsonl"
    for log, rights in ((ours, 0o666), (others, 0o444)):
        log.write_text("old")
        log.chmod(rights)
    with as_nobody():
        with JsonWriter(ours):
            pass
        with pytest.raises(OutputError, match="Permission denied"), JsonWriter(others):
            pytest.fail("work")
        with pytest.raises(OutputError, match="Permission denied"):
            check_log_writable(tmp_path / "new.jsonl")
    assert (ours.read_text(), others.read_text()) == ("", "old")


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_a_file_that_is_write_protected_is_not_replaced(tmp_path: Path) -> None:
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o011)
    tmp_path.chmod(0o777)  # which is all that a rename asks for
    table = tmp_path / "faces.csv"
    table.write_text("kept")
    table.chmod(0o444)
    with as_nobody(), pytest.raises(OutputError, match="Permission denied"):
        check_writable(table)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["kept"]


def test_a_file_is_not_opened_to_find_out_whether_it_may_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for it to be written would be told; and rclone's mounts write files anew only."""
    opened = Path.open

    def anew(path: Path, mode: str = "r", **more: Any) -> Any:
        if path.name == "faces.csv":
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        return opened(path, mode, **more)

    table = tmp_path / "faces.csv"
    table.touch()
    monkeypatch.setattr(Path, "open", anew)
    check_writable(table)
    assert list(tmp_path.iterdir()) == [table]


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_a_file_that_is_replaced_hands_on_its_rights(tmp_path: Path) -> None:
    table = tmp_path / "faces.csv"
    table.write_text("old")
    table.chmod(0o600)
    with atomic_path(table) as temporary:
        temporary.write_text("new")
        assert temporary.stat().st_mode & 0o777 == 0o600
    assert (table.read_text(), table.stat().st_mode & 0o777) == ("new", 0o600)


@pytest.mark.skipif(
    getattr(os, "geteuid", lambda: 1)() != 0, reason="only root makes files of other groups"
)
def test_a_file_that_is_replaced_stays_its_groups(tmp_path: Path) -> None:
    """What a server may read by its group it may read after the next run, and others still not."""
    table = tmp_path / "faces.csv"
    table.write_text("old")
    os.chown(table, 1234, 4321)
    table.chmod(0o664)
    write_text(table, "new")
    status = table.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (1234, 4321, 0o664)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o011)
    tmp_path.chmod(0o777)
    with as_nobody():  # who is not of that group
        write_text(table, "newer")
    status = table.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (65534, 0o644)


def test_a_file_system_without_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a network's folder that GNOME has mounted."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    for name in ("fchmod", "fchown"):
        monkeypatch.setattr(os, name, refuse, raising=False)
    write_text(tmp_path / "faces.csv", "old")
    write_text(tmp_path / "faces.csv", "new")
    assert (tmp_path / "faces.csv").read_text() == "new"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "file")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "deep" / "file").read_text() == "new"


def test_a_name_that_is_none() -> None:
    with pytest.raises(OutputError, match="no name for a file"):
        write_text(Path(), "x")


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match="a part of its path is a file"):
        write_text(tmp_path / "file" / "r.json", "x")
    assert (tmp_path / "file").read_text() == "kept"


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "r.json"
    target.write_text("old")
    with pytest.raises(OutputError, match="No space"), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_full_disk_is_noticed(tmp_path: Path, suffix: str) -> None:
    """Pillow's own writer does not look at how much of a picture a file took."""
    full = tmp_path / f"picture{suffix}"
    full.symlink_to("/dev/full")
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3)).astype(np.uint8)
    with pytest.raises(OutputError, match="No space left"):
        write_picture(full, PillowImage.fromarray(noise))
    with pytest.raises(OutputError, match="No space left"):
        write_bytes(full, b"x")
    assert Path("/dev/full").is_char_device()


def test_no_number_that_json_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "card.json", {"share": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_its_format_cannot_hold(tmp_path: Path) -> None:
    wide = PillowImage.new("RGB", (70_000, 1))
    with pytest.raises(OutputError, match="JPEG cannot hold it"):
        write_picture(tmp_path / "wide.jpg", wide)
    with pytest.raises(OutputError, match=r"use \.png or \.jpg"):
        write_picture(tmp_path / "wide.xyz", wide)
    assert list(tmp_path.iterdir()) == []
    write_picture(tmp_path / "wide.png", wide)
    assert PillowImage.open(tmp_path / "wide.png").size == (70_000, 1)
