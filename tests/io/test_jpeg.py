import io
import time

import pytest
from PIL import Image as PillowImage

from masklens.io.jpeg import check_jpeg
from masklens.io.pictures import PictureError, read_picture
from masklens.io.signature import is_signed

EXIF = b"\xff\xe1\0\x09Exif\0\0A"
COMMENT = b"\xff\xfe\0\2"


def jpeg(**options):
    out = io.BytesIO()
    PillowImage.new("RGB", (64, 64), "grey").save(out, "JPEG", **options)
    return out.getvalue()


def behind_start(more):
    content = jpeg()
    return content[:2] + more + content[2:]


def with_scans(scans, side):
    """A progressive JPEG of that many scans more, which says that it is larger than it is."""
    content = jpeg(progressive=True)
    last = content.rindex(b"\xff\xda")
    size = content.index(b"\xff\xc2") + 5
    header = content[:size] + side.to_bytes(2, "big") * 2 + content[size + 4 : -2]
    return header + content[last:-2] * scans + content[-2:]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xe1",
        b"no JPEG" + EXIF * 101,
        behind_start(EXIF * 100),
        behind_start(COMMENT * 5000),
        with_scans(8, 15_000),  # 225 megapixels, in as many scans as libjpeg gives CMYK
        with_scans(400, 1000),
        jpeg() + EXIF * 101,  # a second picture, or a film, behind the first one
    ],
)
def test_what_passes(content):
    check_jpeg(io.BytesIO(content))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (behind_start(EXIF * 101), "100 segments of EXIF data"),
        (behind_start(b"\xff\xd9" + EXIF * 101), "EXIF"),  # Pillow reads on behind an end
        (behind_start(b"\xff\xf0\xff\xff" + EXIF * 101), "EXIF"),  # and in what is no segment
        (behind_start(bytes(4095) + EXIF * 101), "EXIF"),  # markers on the edge of a block
        (behind_start(COMMENT * 10_001), "10000 segments"),
        (with_scans(100, 4000), "scans"),
        (behind_start(b"\xff" * 200_000), "bytes between"),
        (b"\xff\xd8" + b"\xff" * 200_000, "bytes between"),
    ],
)
def test_what_is_refused(tmp_path, content, reason):
    with pytest.raises(ValueError, match=f"a JPEG of more than .*{reason}"):
        check_jpeg(io.BytesIO(content))
    path = tmp_path / "endless.jpg"
    path.write_bytes(content)
    with pytest.raises(
        PictureError, match=r"endless.jpg cannot be read: .* Save it again"
    ) as error:
        read_picture(path)
    assert error.value.reason == "damaged"
    assert not is_signed(path)


def test_of_an_ordinary_picture_only_the_header_is_read():
    class Counted(io.BytesIO):
        count = 0

        def read(self, size=-1):
            content = super().read(size)
            self.count += len(content)
            return content

    file = Counted(jpeg()[:-2] + bytes(20_000_000) + b"\xff\xd9")
    check_jpeg(file)
    assert file.count < 100_000


def test_fill_bytes_take_no_longer_than_others():
    start = time.process_time()
    with pytest.raises(ValueError, match="bytes between"):
        check_jpeg(io.BytesIO(b"\xff\xd8" + b"\xff" * 1_000_000))
    assert time.process_time() - start < 5
