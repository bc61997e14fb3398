"""Heat maps point at what the answer hangs on."""

import numpy as np
import pytest

from masklens.bundle import write_bundle
from masklens.errors import BundleError, MissingExtraError
from masklens.evaluation.report import explain
from masklens.evaluation.report.explain import GradCam, Occlusion, load_explainer
from tests.conftest import toy_card


@pytest.fixture
def crop():
    """Grey, with a red patch in the lower left: the toy bundle calls red with_mask."""
    image = np.full((32, 32, 3), 90, np.uint8)
    image[20:28, 4:12] = (255, 40, 40)
    return image


def assert_points_at_the_patch(heat):
    assert heat.shape == (32, 32)
    assert heat.dtype == np.float32
    assert heat.max() == pytest.approx(1)
    assert heat.min() >= 0
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert 17 <= y <= 30
    assert 1 <= x <= 14
    assert heat[20:28, 4:12].mean() > 3 * heat[:12, 20:].mean()


def test_occlusion(toy_bundle, crop):
    explainer = load_explainer(toy_bundle)
    assert isinstance(explainer, Occlusion)
    assert_points_at_the_patch(explainer.heat(crop, "with_mask"))


def test_occlusion_of_a_plain_crop_is_cold(toy_bundle):
    heat = load_explainer(toy_bundle).heat(np.full((32, 32, 3), 90, np.uint8), "with_mask")
    assert not heat.any()


@pytest.fixture
def keras_bundle(tmp_path, toy_bundle):
    """A network whose only feature map is redness, with a head for boxes beside the labels."""
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    image = keras.Input((32, 32, 3))
    maps = keras.layers.Conv2D(2, 3, padding="same", activation="relu", name="maps")(image)
    boxes = keras.layers.Conv2D(1, 3, padding="same", name="box_maps")(maps)
    box = keras.layers.Dense(4, name="box")(keras.layers.Flatten()(boxes))
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    output = keras.layers.Dense(3, activation="softmax", name="probabilities")(pooled)
    model = keras.Model(image, [output, box])
    kernel = np.zeros((3, 3, 3, 2), np.float32)
    kernel[1, 1] = [[1, 0], [-0.5, 1], [-0.5, -1]]
    model.get_layer("maps").set_weights([kernel, np.zeros(2, np.float32)])
    dense = np.array([[9, -9, 0], [-1, 1, 0]], np.float32)
    model.get_layer("probabilities").set_weights([dense, np.zeros(3, np.float32)])
    model.save(tmp_path / "model.keras")
    return write_bundle(
        tmp_path / "k", toy_card(),
        {"classifier.onnx": toy_bundle.path(), "model.keras": tmp_path / "model.keras"},
    )  # fmt: skip


def test_grad_cam(keras_bundle, crop):
    explainer = load_explainer(keras_bundle)
    assert isinstance(explainer, GradCam)
    assert_points_at_the_patch(explainer.heat(crop, "with_mask"))
    # Against the label that redness speaks against nothing positive is left there.
    assert explainer.heat(crop, "without_mask")[20:28, 4:12].max() < 0.5


def test_grad_cam_by_hand(keras_bundle, crop):
    """The maps times the mean gradient of the label's output: weights of the head over 32 · 32."""
    heat = load_explainer(keras_bundle, "grad-cam").heat(crop, "with_mask")
    pixels = crop.astype(np.float32) / 127.5 - 1
    red = np.maximum(pixels[..., 0] - 0.5 * pixels[..., 1] - 0.5 * pixels[..., 2], 0)
    green = np.maximum(pixels[..., 1] - pixels[..., 2], 0)
    expected = np.maximum(9 * red - green, 0)
    assert heat == pytest.approx(expected / expected.max(), abs=1e-4)


def test_what_cannot_be_had(toy_bundle, keras_bundle, monkeypatch):
    assert load_explainer(toy_bundle, "none") is None
    with pytest.raises(BundleError, match="--heat occlusion"):
        load_explainer(toy_bundle, "grad-cam")
    monkeypatch.setattr(explain, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError):
        load_explainer(keras_bundle, "grad-cam")
    assert isinstance(load_explainer(keras_bundle), Occlusion)
