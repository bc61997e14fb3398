import numpy as np
import pytest

from masklens.crop import crop_face, crop_faces, crop_square, in_range, refined_boxes, whole_picture


@pytest.mark.parametrize(
    ("box", "margin", "expected"),
    [
        ((10, 20, 30, 60), 0.0, (0, 20, 40)),  # the longer side is the square's
        ((10, 20, 30, 60), 0.25, (-10, 10, 60)),  # 25 % on each side
        ((0, 0, 1, 1), 0.0, (0, 0, 1)),
        ((5, 5, 5, 5), 0.2, (5, 5, 1)),  # an empty box still gives a pixel
    ],
)
def test_square(box, margin, expected):
    assert crop_square(box, margin) == expected


def test_a_box_inside_is_cut_pixel_by_pixel():
    image = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    crop = crop_face(image, (4, 6, 12, 14), size=8, margin=0)
    np.testing.assert_array_equal(crop, image[6:14, 4:12])


@pytest.mark.parametrize(
    "box",
    [(-8, -8, 4, 4), (26, 16, 40, 30), (-50, 2, 90, 10), (-30, -30, -10, -10), (60, 60, 70, 70)],
)
def test_outside_the_picture_the_border_is_repeated(box):
    image = np.full((20, 30, 3), 7, np.uint8)
    crop = crop_face(image, box, size=16, margin=0.2)
    assert crop.shape == (16, 16, 3)
    assert (crop == 7).all()


@pytest.mark.parametrize("left", [-40, -8, -3, 7, 24, 27, 60])
@pytest.mark.parametrize("top", [-40, -8, -3, 6, 15, 17, 60])
def test_a_crop_is_cut_from_the_picture_with_its_border_repeated(left, top):
    image = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    padded = np.pad(image, ((99, 99), (99, 99), (0, 0)), mode="edge")
    crop = crop_face(image, (left, top, left + 8, top + 8), size=8, margin=0)
    np.testing.assert_array_equal(crop, padded[99 + top : 107 + top, 99 + left : 107 + left])


def test_the_border_repeats_its_own_side():
    image = np.zeros((10, 10, 3), np.uint8)
    image[:, 0] = 200
    crop = crop_face(image, (-10, 0, 10, 10), size=20, margin=0)
    # The square is 20 wide and centred on the box, so its left half lies outside.
    assert (crop[:, :10] == 200).all()
    assert (crop[:, 12:] == 0).all()


def test_shrinking_averages():
    image = np.zeros((48, 48, 3), np.uint8)
    image[:, ::3] = 240
    crop = crop_face(image, (0, 0, 48, 48), size=16, margin=0)
    assert (crop == 80).all()


def test_enlarging_interpolates():
    image = np.zeros((2, 2, 3), np.uint8)
    image[:, 1] = 200
    assert crop_face(image, (0, 0, 2, 2), 4, 0)[0, :, 0].tolist() == [0, 50, 150, 200]


def test_many_boxes_keep_their_order():
    image = np.zeros((10, 20, 3), np.uint8)
    image[:, 10:] = 255
    boxes = np.array([[12, 2, 18, 8], [1, 1, 7, 7]], np.float32)
    crops = crop_faces(image, boxes, size=8, margin=0)
    assert crops.shape == (2, 8, 8, 3)
    assert crops[0].min() == 255
    assert crops[1].max() == 0
    assert crop_faces(image, boxes[:0], 8, 0).shape == (0, 8, 8, 3)


def test_of_a_whole_picture_the_pixels_under_the_middles_are_taken():
    image = np.random.default_rng(0).integers(0, 256, (50, 38, 3), dtype=np.uint8)
    rows, columns = ((np.arange(16) + 0.5) * side / 16 for side in image.shape[:2])
    expected = image[rows.astype(int)][:, columns.astype(int)]
    np.testing.assert_array_equal(whole_picture(image, 16), expected)


@pytest.mark.parametrize("value_range", [(-1, 1), (0, 255), (0, 1)])
def test_black_and_white_are_the_ends_of_the_range(value_range):
    values = in_range(np.array([0, 255], np.uint8), value_range)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, value_range, atol=1e-6)


def test_refined_boxes_go_back_to_the_picture():
    boxes = np.array([[10, 10, 30, 30], [0, 0, 20, 20]], np.float32)
    refined = np.array([[0.25, 0.25, 0.75, 1.0], [0.0, 0.0, 0.0, 0.0]], np.float32)
    # The first crop with margin 0.5 is the square from 0 to 40; the second box is degenerate, so
    # the finder's stays.
    out = refined_boxes(boxes, refined, 0.5, (100, 100, 3))
    assert out.tolist() == [[10, 10, 30, 40], [0, 0, 20, 20]]


def test_a_refined_box_of_no_size_is_not_taken():
    boxes = np.array([[10, 10, 30, 30]] * 3, np.float32)
    thin = np.array([[0.5, 0.2, 0.5, 0.8], [0.2, 0.5, 0.8, 0.5], [0.8, 0.2, 0.2, 0.8]], np.float32)
    assert refined_boxes(boxes, thin, 0.2, (60, 80, 3)).tolist() == boxes.tolist()
