"""Every way in which a picture file can be odd gives a correct picture or one clear sentence."""

import os
import struct
import subprocess
import sys
import threading
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageFile, ImageOps

from masklens.errors import InputError
from masklens.io import pictures
from masklens.io.pictures import PictureError, decode_picture, read_picture
from masklens.io.signature import is_signed

RED = (200, 30, 40)
WHITE = (255, 255, 255)


def save(tmp_path, name, image, **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def plain(size=(40, 30), colour=RED):
    return PillowImage.new("RGB", size, colour)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.jpg", {"quality": 95}),
        ("a.png", {}),
        ("a.webp", {"lossless": True}),
        ("a.bmp", {}),
        ("a.tiff", {}),
        ("a.gif", {}),
        ("a.avif", {"quality": 95}),
    ],
)
def test_formats(tmp_path, name, options):
    image = read_picture(save(tmp_path, name, plain(), **options))
    assert image.shape == (30, 40, 3)
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - RED).max() <= 6


def test_exif_rotation_is_applied(tmp_path):
    picture = plain((40, 20), (0, 0, 0))
    picture.paste((255, 255, 255), (0, 0, 10, 20))  # the left edge, as stored
    exif = picture.getexif()
    exif[0x0112] = 6  # "rotate 90° clockwise to see it upright": the left edge becomes the top
    for name, mode in (("a.jpg", "RGB"), ("a.png", "RGB"), ("a.png", "RGBA"), ("a.png", "LA")):
        image = read_picture(save(tmp_path, name, picture.convert(mode), exif=exif))
        assert image.shape == (40, 20, 3)
        assert image[:8].mean() > 240
        assert image[12:].mean() < 15


@pytest.mark.parametrize("turned", [*range(10), 65535])
@pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.webp"])
def test_every_orientation_as_pillow_turns_it(tmp_path, name, turned):
    picture = plain((4, 3), WHITE)
    picture.putpixel((0, 0), RED)
    exif = picture.getexif()
    exif[0x0112] = turned
    path = save(tmp_path, name, picture, exif=exif, **{"lossless": True} if "webp" in name else {})
    with PillowImage.open(path) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    assert np.array_equal(read_picture(path), np.asarray(upright))


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\x00\x00XX\x00*\x00\x00\x00\x08",  # no TIFF
        b"Exif\x00\x00MM\x00*\x00",  # ends in its header
        b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12",  # ends in its table
        b"Exif",
        # Two entries: one that Pillow reads and cannot write again, and an Orientation of 6.
        b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x02"
        b"\x01\x07\x00\x02\x00\x00\x00\x04abc\x00"
        b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00",
    ],
)
@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.jpg", "RGB"), *((name, mode) for name in ("a.png", "a.webp") for mode in ("RGB", "RGBA"))],
)
def test_damaged_exif_data_costs_no_picture(tmp_path, name, mode, exif):
    path = save(tmp_path, name, plain().convert(mode), exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = read_picture(path)
    turned = b"\x01\x12\x00\x03" in exif
    assert image.shape == ((40, 30, 3) if turned else (30, 40, 3))
    assert np.abs(image.astype(int) - RED).max() <= 6


def test_an_uncompressed_tiff_on_its_side(tmp_path):
    """Pillow maps such files into memory by their path, with width and height exchanged."""
    picture = plain((40, 20), (0, 0, 0)).convert("RGBA")
    picture.paste((255, 255, 255, 255), (0, 0, 10, 20))
    picture.putalpha(255)
    for mode in ("L", "RGBA"):
        image = read_picture(save(tmp_path, "a.tif", picture.convert(mode), tiffinfo={274: 6}))
        assert image.shape == (40, 20, 3)
        assert image[:10].min() == 255
        assert image[10:].max() == 0


@pytest.mark.skipif(os.name != "posix", reason="named pipes of POSIX")
def test_a_picture_from_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = save(tmp_path, "a.png", plain()).read_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    assert read_picture(pipe).shape == (30, 40, 3)
    writer.join()


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr", "LAB"])
def test_colour_modes(tmp_path, mode):
    name = "a.jpg" if mode in ("CMYK", "YCbCr") else "a.tiff" if mode == "LAB" else "a.png"
    image = read_picture(save(tmp_path, name, plain(colour="white").convert(mode)))
    assert image.shape == (30, 40, 3)
    assert image.min() > 245


def test_cmyk_keeps_its_colour(tmp_path):
    image = read_picture(save(tmp_path, "a.jpg", plain().convert("CMYK"), quality=95))
    assert np.abs(image.astype(int) - RED).max() <= 8


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_is_scaled_not_cut(tmp_path, suffix):
    ramp = np.linspace(0, 65535, 200).astype(np.uint16)[None].repeat(10, axis=0)
    image = read_picture(save(tmp_path, f"a.{suffix}", PillowImage.fromarray(ramp)))
    assert image.shape == (10, 200, 3)
    np.testing.assert_allclose(image[0, :, 0], np.linspace(0, 255, 200), atol=1)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("bits", [8, 9, 10, 12])
def test_fewer_bits_in_a_16_bit_file_are_as_bright(tmp_path, suffix, bits):
    ramp = np.linspace(0, 2**bits - 1, 200).astype(np.uint16)[None].repeat(10, axis=0)
    image = read_picture(save(tmp_path, f"a.{suffix}", PillowImage.fromarray(ramp)))
    np.testing.assert_allclose(image[0, :, 0], np.linspace(0, 255, 200), atol=1)


def test_a_dark_picture_of_16_bits_stays_dark(tmp_path):
    dark = PillowImage.fromarray(np.full((10, 10), 25 * 257, np.uint16))
    assert (read_picture(save(tmp_path, "a.png", dark)) == 25).all()


@pytest.mark.parametrize(
    ("top", "full"), [(1, 1), (1.02, 1), (6, 1), (100, 255), (255.3, 255), (4095, 4095)]
)
def test_the_range_of_a_floating_point_tiff(tmp_path, top, full):
    ramp = np.linspace(0, top, 50, dtype=np.float32)[None].repeat(4, axis=0)
    image = read_picture(save(tmp_path, "a.tiff", PillowImage.fromarray(ramp)))
    expected = np.minimum(np.linspace(0, top, 50) * 255 / full, 255)
    np.testing.assert_allclose(image[0, :, 0], expected, atol=0.51)


def test_floating_point_tiff(tmp_path):
    ramp = np.linspace(0, 1, 50, dtype=np.float32)[None].repeat(4, axis=0)
    image = read_picture(save(tmp_path, "a.tiff", PillowImage.fromarray(ramp)))
    assert image[0, 0, 0] == 0
    assert image[0, -1, 2] == 255


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 3.4e38, 1e20, -9999])
def test_places_without_data_leave_the_rest_of_a_tiff_as_it_is(tmp_path, odd):
    ramp = np.linspace(0, 1, 50, dtype=np.float32)[None].repeat(4, axis=0)
    ramp[2, 7] = odd
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = read_picture(save(tmp_path, "a.tiff", PillowImage.fromarray(ramp)))
    assert image[2, 7].tolist() == [0, 0, 0]
    np.testing.assert_allclose(image[0, :, 0], np.linspace(0, 255, 50), atol=0.5)


@pytest.mark.parametrize("turned", [1, 6])
def test_the_transparent_grey_of_a_16_bit_png_is_white(tmp_path, turned):
    grey = np.full((4, 6), 30_000, np.uint16)
    grey[0, 0] = 257
    picture = PillowImage.fromarray(grey)
    exif = picture.getexif()
    exif[0x0112] = turned
    image = read_picture(save(tmp_path, "a.png", picture, transparency=257, exif=exif))
    assert (image == 255).all(axis=2).sum() == 1
    assert (image == 117).all(axis=2).sum() == 23


def test_transparency_is_laid_on_white(tmp_path):
    picture = PillowImage.new("RGBA", (8, 8), (*RED, 0))
    picture.paste((*RED, 255), (0, 0, 4, 8))
    image = read_picture(save(tmp_path, "a.png", picture))
    assert image[0, 0].tolist() == list(RED)
    assert image[0, 7].tolist() == [255, 255, 255]


@pytest.mark.parametrize(("alpha", "shown"), [([0, 0], [RED, RED]), ([255, 0], [RED, WHITE])])
def test_a_bmp_without_any_opaque_pixel_is_opaque(alpha, shown):
    """As many programs write them (BITMAPV5HEADER); Chromium shows them so."""
    red, green, blue = RED
    pixels = b"".join(bytes([blue, green, red, a]) for a in alpha)
    header = struct.pack("<IiiHHIIiiII", 124, 2, 1, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header += (masks + b"BGRs").ljust(124 - len(header), b"\0")
    start = struct.pack("<2sIHHI", b"BM", 138 + len(pixels), 0, 0, 138)
    image = decode_picture(start + header + pixels, "The picture")
    assert image.tolist() == [[list(colour) for colour in shown]]


def test_of_an_animation_the_first_frame(tmp_path):
    frames = [plain(colour=c) for c in ("white", "black", "black")]
    path = save(tmp_path, "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert read_picture(path).min() == 255


def test_a_hundred_megapixels(tmp_path):
    path = save(tmp_path, "a.png", PillowImage.new("1", (12_500, 8_000), 1))
    assert read_picture(path).shape == (8_000, 12_500, 3)


def test_too_many_pixels_are_refused_from_the_header(tmp_path, monkeypatch):
    path = save(tmp_path, "a.png", plain())
    monkeypatch.setattr(pictures, "MAX_PIXELS", 1000)
    monkeypatch.setattr(pictures, "_to_rgb", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(InputError, match="40×30"):
        read_picture(path)


def make_text(path):
    path.write_text("this is no picture")


def make_postscript(path):
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")


def make_heic(path):
    path.write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(64))


def make_truncated_jpeg(path):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    PillowImage.fromarray(noise).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def make_truncated_png(path):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    PillowImage.fromarray(noise).save(path, "PNG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def make_zero_by_zero(path):
    # A GIF header that says 0×0 and nothing after it.
    path.write_bytes(b"GIF89a" + bytes(7) + b";")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_text, "not a picture"),
        (make_postscript, "not a picture"),  # a program: Pillow would have Ghostscript run it
        (make_heic, "is HEIC: run pip install pillow-heif|cannot be read"),
        (lambda p: p.touch(), "is empty"),
        (lambda p: p.mkdir(), "is a folder"),
        (lambda p: None, "does not exist"),
        (make_truncated_jpeg, "cannot be read"),
        (make_truncated_png, "cannot be read"),
        (make_zero_by_zero, "not a picture|cannot be read|no pixels"),
    ],
)
def test_files_that_are_no_pictures(tmp_path, make, message):
    path = tmp_path / "odd.jpg"
    make(path)
    with pytest.raises(InputError, match=message) as caught:
        read_picture(path)
    assert "odd.jpg" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = save(tmp_path, "secret.png", plain())

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    # chmod does not stop root, who runs the tests in CI.
    monkeypatch.setattr(pictures.Path, "open", refuse)
    with pytest.raises(InputError, match="Permission denied"):
        read_picture(path)


def test_pillow_keeps_the_settings_of_its_host(tmp_path, monkeypatch):
    """They are one for the whole process; our limit holds beside them."""
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert read_picture(save(tmp_path, "a.png", plain())).shape == (30, 40, 3)
    path = save(tmp_path, "a.webp", plain())
    with pytest.raises(PictureError, match=r"1200 pixels.*Scale it down first") as refused:
        read_picture(path)
    assert refused.value.reason == "too_large"
    assert not is_signed(path)
    assert (PillowImage.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES) == (100, True)


def test_reading_leaves_the_filters_of_warnings_alone(tmp_path, monkeypatch):
    """They are the whole process's: threads that change and restore them leave them changed."""
    before = list(warnings.filters)
    seen = []
    whole = pictures._to_rgb
    monkeypatch.setattr(
        pictures, "_to_rgb", lambda picture: (seen.extend(warnings.filters), whole(picture))[1]
    )
    read_picture(save(tmp_path, "a.png", plain()))
    assert seen == before


def test_importing_masklens_sets_nothing_in_pillow():
    code = (
        "from PIL import Image, ImageFile; from masklens import MaskDetector; "
        "print(Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == [str(1024**3 // 4 // 3), "False"]


def test_too_little_memory_is_no_damage(tmp_path, monkeypatch):
    def full(_):
        raise MemoryError

    monkeypatch.setattr(pictures, "_to_rgb", full)
    with pytest.raises(PictureError, match="takes more memory than there is") as refused:
        read_picture(save(tmp_path, "a.png", plain()))
    assert refused.value.reason == "too_large"


def test_a_damaged_avif(tmp_path):
    path = save(tmp_path, "a.avif", PillowImage.effect_noise((64, 64), 80))
    content = path.read_bytes()
    start = content.index(b"mdat") + 4
    path.write_bytes(content[:start] + bytes(len(content) - start))
    with pytest.raises(InputError, match=r"a\.avif cannot be read"):
        read_picture(path)


def tiff_of_one_tile(side, tile):
    """A picture of black pixels in one tile, which may be larger than the picture."""
    packed = zlib.compress(bytes(3 * tile * tile))
    short, long = 3, 4
    tags = [(256, long, side), (257, long, side), (259, short, 8), (262, short, 2)]
    tags += [(277, short, 3), (322, long, tile), (323, long, tile), (324, long, 0)]
    tags += [(325, long, len(packed))]
    start = 8 + 2 + 12 * (len(tags) + 1) + 4
    tags = [(tag, kind, start + 6 if tag == 324 else value) for tag, kind, value in tags]
    entries = [struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags]
    entries.insert(2, struct.pack("<HHII", 258, short, 3, start))  # BitsPerSample
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + bytes(4)
    return head + struct.pack("<HHH", 8, 8, 8) + packed


def test_a_tile_larger_than_its_picture():
    """It is unpacked whole: a few kilobytes would take gigabytes."""
    assert not decode_picture(tiff_of_one_tile(20, 32), "This", max_pixels=1100).any()
    with pytest.raises(PictureError, match="2048×2048 pixels") as refused:
        decode_picture(tiff_of_one_tile(20, 2048), "This", max_pixels=1_000_000)
    assert refused.value.reason == "too_large"


def test_pictures_from_memory(tmp_path):
    path = save(tmp_path, "a.png", plain())
    content = path.read_bytes()
    assert np.array_equal(decode_picture(content, "This"), read_picture(path))
    for options, data, reason in (
        ({}, b"", "unknown"),
        ({"max_pixels": 1000}, content, "too_large"),
        ({}, content[:60], "damaged"),
    ):
        with pytest.raises(PictureError, match=r"^This ") as caught:
            decode_picture(data, "This", **options)
        assert caught.value.reason == reason
