import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageFile

from masklens.errors import InputError
from masklens.io.recorder import VideoWriter
from masklens.io.sources import find_pictures, is_video, open_source, read_frames
from masklens.io.writers import save_picture
from tests.io.films import frames, write_film


@pytest.fixture
def tree(tmp_path):
    for name in ("b.jpg", "a/x.PNG", "a/deep/y.webp", "c/x.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.new("RGB", (4, 3)).save(path)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def names(found, root):
    return [path.relative_to(root).as_posix() for path in found]


def test_a_folder_is_searched_recursively_in_order(tree):
    found = find_pictures([str(tree)])
    assert names(found, tree) == ["a/deep/y.webp", "a/x.PNG", "b.jpg", "c/x.png"]
    assert list(found.values()) == ["a/deep/y.webp", "a/x.PNG", "b.jpg", "c/x.png"]


def test_a_folder_of_results_is_left_out(tree):
    (tree / "link").symlink_to("a")
    for results in (tree / "a", tree / "link"):
        found = find_pictures([str(tree)], results=results)
        assert names(found, tree) == ["b.jpg", "c/x.png"]
    inside = ["a/deep/y.webp", "a/x.PNG"]  # named by the user, they count
    assert names(find_pictures([str(tree / "a")], results=tree / "a"), tree) == inside
    assert names(find_pictures([f"{tree}/a/*.PNG"], results=tree / "a"), tree) == inside[1:]


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".webp", ".mp4"])
def test_annotated_copies_are_left_out_of_a_search(tmp_path, suffix):
    copy = tmp_path / f"copy{suffix}"
    if suffix == ".mp4":
        write_video(copy, signed=True)
    else:
        save_picture(copy, np.zeros((3, 4, 3), np.uint8), signed=True)
    searches = [str(tmp_path), f"{tmp_path}/*"]
    for search in searches:
        told = []
        with pytest.raises(InputError, match="but annotated copies"):
            find_pictures([search], videos=True, on_copy=told.append)
        assert told == [copy]
        assert list(find_pictures([search], videos=True)) == [copy]
    own = tmp_path / f"own{suffix}"
    if suffix == ".mp4":
        write_video(own, signed=False)
    else:
        PillowImage.new("RGB", (4, 3)).save(own)
    for search in searches:
        assert list(find_pictures([search], videos=True, on_copy=told.append)) == [own]
    named = [str(copy), str(own)]
    assert list(find_pictures(named, videos=True, on_copy=pytest.fail)) == [copy, own]


def write_video(path, signed):
    with VideoWriter(path, signed=signed) as video:
        video.write(np.zeros((16, 16, 3), np.uint8), 0.0)


def test_a_copy_is_recognised_without_decoding_it(tmp_path, monkeypatch):
    """PNGs of others may hold their EXIF data behind the pixels."""
    path = tmp_path / "a.png"
    PillowImage.new("RGB", (4, 3)).save(path)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    assert list(find_pictures([str(tmp_path)], on_copy=pytest.fail)) == [path]


def test_files_globs_and_duplicates(tree):
    found = find_pictures([str(tree / "b.jpg"), f"{tree}/*/x.*", str(tree / "b.jpg")])
    assert names(found, tree) == ["b.jpg", "a/x.PNG", "c/x.png"]
    assert list(found.values()) == ["b.jpg", "x.PNG", "x.png"]


def test_addresses_of_files_are_files(tree):
    """As file managers and browsers hand them over; live takes them, too."""
    (tree / "größe 1.jpg").write_bytes((tree / "b.jpg").read_bytes())
    found = find_pictures([(tree / "größe 1.jpg").as_uri(), (tree / "c").as_uri()])
    assert names(found, tree) == ["größe 1.jpg", "c/x.png"]
    assert len(list(open_source((tree / "c").as_uri()))) == 1
    with pytest.raises(InputError, match=r'"/no/\*\.jpg"'):
        find_pictures(["FILE:///no/*.jpg"])


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("{}", ["a/deep/y.webp", "a/x.PNG", "b.jpg", "c/x.png", "link/z.png"]),
        ("{}/**", ["a/deep/y.webp", "a/x.PNG", "b.jpg", "c/x.png", "link/z.png"]),
        ("{}/**/*.png", ["c/x.png", "link/z.png"]),
        ("{}/**/[yz].*", ["a/deep/y.webp", "link/z.png"]),
        ("{}/a/**/deep/**/*", ["a/deep/y.webp"]),
        ("{}/link", ["z.png"]),
        ("{}/l*/*", ["link/z.png"]),
    ],
)
def test_links_to_folders_are_followed_into_each_once(tree, tmp_path_factory, search, expected):
    outside = tmp_path_factory.mktemp("outside")
    picture = tree / "c" / "x.png"
    for path in (outside / "further" / "z.png", outside / "w.png", tree / ".hidden" / "v.png"):
        path.parent.mkdir(exist_ok=True)
        shutil.copy(picture, path)
    (tree / "link").symlink_to(outside / "further")
    (tree / "a" / "again").symlink_to("../c")
    for folder in (tree / "a" / "deep", outside / "further"):
        (folder / "up").symlink_to("..")
    found = find_pictures([search.format(tree)])
    root = tree / "link" if expected == ["z.png"] else tree
    shown = [path.relative_to(root).as_posix() for path in found]
    assert [name for name in shown if not name.startswith(".hidden")] == expected
    assert (".hidden/v.png" in shown) == (search == "{}")


def test_a_picture_counts_once_whichever_way_it_is_named(tree, monkeypatch):
    monkeypatch.chdir(tree)
    (tree / "link").symlink_to("a")
    ways = ["a/x.PNG", f"{tree}/a/x.PNG", "a/../a/x.PNG", "link/x.PNG", "link", f"{tree}/a", "*/*"]
    found = [path.as_posix() for path in find_pictures(ways)]
    assert found == ["a/x.PNG", "link/deep/y.webp", "c/x.png"]


def test_a_link_to_a_picture_is_one_of_its_own(tree):
    (tree / "a" / "z.png").symlink_to("x.PNG")
    assert names(find_pictures([str(tree / "a")]), tree) == ["a/deep/y.webp", "a/x.PNG", "a/z.png"]


@pytest.mark.parametrize("search", ["{}", "{}/a/*", "{}/a/.*", "{}/**/*.PNG"])
def test_what_macos_leaves_beside_a_picture_is_no_picture(tree, search):
    beside = tree / "a" / "._x.PNG"
    beside.write_bytes(b"\0\5\x16\7")
    told = []
    assert beside not in find_pictures([search.format(tree)], on_error=told.append)
    assert list(find_pictures([str(beside)])) == [beside]


def test_recursive_glob(tree):
    assert names(find_pictures([f"{tree}/**/*.webp"]), tree) == ["a/deep/y.webp"]


def test_a_name_with_brackets_is_a_name_first(tmp_path):
    path = tmp_path / "photo[1].png"
    PillowImage.new("RGB", (4, 3)).save(path)
    assert list(find_pictures([str(path)])) == [path]


@pytest.mark.parametrize(
    ("sources", "message"),
    [(["{}/empty"], "no pictures"), (["{}/*.nothing"], "No picture matches"), ([], "No picture")],
)
def test_nothing_found(tmp_path, sources, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        find_pictures([s.format(tmp_path) for s in sources])


def test_sources_that_name_nothing_are_told_in_order_and_the_others_count(tree):
    (tree / "empty").mkdir()
    told = []
    sources = [f"{tree}/*.nothing", str(tree / "b.jpg"), str(tree / "empty"), "rtsp://x", ""]
    assert names(find_pictures(sources, on_error=told.append), tree) == ["b.jpg"]
    expected = ("No picture matches", "empty has no pictures", "is an address", "name of a source")
    for error, words in zip(told, expected, strict=True):
        assert words in str(error)
    with pytest.raises(InputError, match="No picture matches"):
        find_pictures(sources)


def test_nothing_is_found_where_every_source_fails(tmp_path):
    told = []
    assert find_pictures([f"{tmp_path}/*.a", f"{tmp_path}/*.b"], on_error=told.append) == {}
    assert len(told) == 2
    with pytest.raises(InputError, match="No picture was named"):
        find_pictures([], on_error=told.append)


def test_frames_come_in_order_and_failures_are_told(tree):
    (tree / "a" / "broken.jpg").write_text("no")
    pictures = find_pictures([str(tree), str(tree / "absent.jpg")])
    failures = []
    frames = list(read_frames(pictures, lambda path, error: failures.append((path.name, error))))
    assert [Path(f.name).name for f in frames] == ["y.webp", "x.PNG", "b.jpg", "x.png"]
    assert [f.index for f in frames] == [1, 2, 3, 4]
    assert [name for name, _ in failures] == ["broken.jpg", "absent.jpg"]
    assert frames[0].image.shape == (3, 4, 3)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *(("tape.ASF", "wmv2"), ("phone.3g2", "libx264"), ("flash.f4v", "libx264")),
        *(("recorder.264", "libx264"), ("recorder.265", "libx265"), ("raspberry.h265", "libx265")),
    ],
)
def test_films_of_archives_are_found_and_read(tmp_path, name, codec):
    films = tmp_path / "films"
    films.mkdir()
    path = write_film(films / name, frames(5), codec=codec)
    assert list(find_pictures([str(films)], videos=True)) == [path]
    assert is_video(path)
    assert len(list(open_source(str(path)))) == 5
