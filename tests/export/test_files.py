"""What the files say of themselves, and that making them smaller changes nothing."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from PIL import Image as PillowImage

from masklens import runtime
from masklens.dataset.scan import load_dataset
from masklens.errors import InputError, MasklensError
from masklens.export import FORMATS, PRECISIONS, choices, litert, onnx_int8
from masklens.export import onnx as onnx_files
from masklens.export.onnx_groups import group_pixels
from masklens.export.samples import cut_crops
from masklens.export.source import load_source
from masklens.runtime import open_network
from masklens.training.network import SIZE
from masklens.training.portraits import read_portraits
from tests.conftest import toy_card


@pytest.fixture(scope="module")
def source(trained_bundle_folder):
    return load_source(trained_bundle_folder)


@pytest.fixture(scope="module")
def crops(source, others):
    return cut_crops(others, source.card, 100).images


@pytest.fixture(scope="module")
def float32(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "fp32.onnx"
    onnx_files.export_fp32(source, path)
    return path


@pytest.fixture(scope="module")
def tflite(source, crops, tmp_path_factory):
    path = tmp_path_factory.mktemp("tflite") / "int8.tflite"
    litert.export_litert(source, path, "int8", source.prepare(crops))
    return path


def test_onnx_metadata(float32):
    model = onnx.load(float32)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    assert entries["labels"] == "with_mask,without_mask,mask_worn_incorrectly"
    assert entries["value_range"] == "-1.0,1.0"
    assert json.loads(entries["card"])["margin"] == 0.2
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param


def test_onnx_in_half_precision(float32, source, crops, tmp_path):
    half = tmp_path / "fp16.onnx"
    onnx_files.export_fp16(float32, half, source.card)
    assert half.stat().st_size < 0.55 * float32.stat().st_size
    tensor = source.prepare(crops[:20])
    names = ["probabilities", "box"]
    for a, b in zip(
        open_network(half, "onnx", 1).run(tensor, names),
        open_network(float32, "onnx", 1).run(tensor, names),
        strict=True,
    ):
        assert 0 < np.abs(a - b).max() < 0.02


def test_int8_runs_in_integers_but_for_the_last_layers(float32, source, crops, tmp_path):
    quantised = tmp_path / "int8.onnx"
    onnx_files.export_int8(float32, quantised, source.card, source.prepare(crops))
    assert [path.name for path in tmp_path.iterdir()] == ["int8.onnx"], "nothing else stays"
    graph = onnx.load(quantised).graph
    makers = {name: node.op_type for node in graph.node for name in node.output}
    inputs = {kind: set() for kind in ("Conv", "Gemm", "Softmax")}
    for node in graph.node:
        if node.op_type in inputs:
            inputs[node.op_type].add(makers.get(node.input[1]) if len(node.input) > 1 else None)
    assert inputs["Conv"] == {"DequantizeLinear"}
    assert inputs["Gemm"] == {None}, "their weights are float32"
    assert not any(node.op_type in ("Shape", "Concat") for node in graph.node)
    zero_points = [
        (tuple(w.dims), onnx.numpy_helper.to_array(w).tobytes())
        for w in graph.initializer
        if w.data_type == onnx.TensorProto.UINT8
    ]
    assert len(set(zero_points)) == len(zero_points), "equal constants are kept once"
    per_channel = [w for w in graph.initializer if w.data_type == onnx.TensorProto.INT8]
    assert len({tuple(w.dims) for w in per_channel}) > 1


def test_int8_onnx_takes_pixels_as_they_are(float32, source, crops, tmp_path):
    quantised = tmp_path / "int8.onnx"
    onnx_files.export_int8(float32, quantised, source.card, source.prepare(crops))
    network = open_network(quantised, "onnx", 1)
    assert network.takes_pixels
    probabilities, box = network.run(crops[:40], ["probabilities", "box"])
    expected = source.predict(crops[:40])
    assert (probabilities.argmax(1) == expected["probabilities"].argmax(1)).mean() >= 0.975
    assert np.abs(box - expected["box"]).mean() < 0.01
    entries = {entry.key: entry.value for entry in onnx.load(quantised).metadata_props}
    assert entries["value_range"] == "0,255"
    assert json.loads(entries["card"])["value_range"] == [0, 255]


def test_int8_takes_four_pixels_at_a_time_and_says_the_same(float32, source, crops, tmp_path):
    answers, channels = {}, {}
    for grouped in (True, False):
        quantised = tmp_path / f"{grouped}.onnx"
        tensor = source.prepare(crops)
        onnx_files.export_int8(float32, quantised, source.card, tensor, grouped=grouped)
        network = open_network(quantised, "onnx", 1)
        answers[grouped] = network.run(crops[:40], ["probabilities", "box"])
        kernels = {w.name: w for w in onnx.load(quantised).graph.initializer if len(w.dims) == 4}
        channels[grouped] = {kernel.dims[1] for kernel in kernels.values()}
    assert 12 in channels[True]
    assert 3 in channels[False]
    for one, other in zip(answers[True], answers[False], strict=True):
        np.testing.assert_allclose(one, other, atol=0.02)


def test_convolutions_of_other_forms_stay_as_they_are(float32, tmp_path):
    model = onnx_int8.simplify(float32, tmp_path / "draft.onnx")
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 30  # four does not divide it
    before = model.SerializeToString()
    assert not group_pixels(model.graph, first)
    assert model.SerializeToString() == before


def test_no_two_neighbouring_int8_weights_can_overflow(float32, source, crops, tmp_path):
    quantised = tmp_path / "int8.onnx"
    onnx_files.export_int8(float32, quantised, source.card, source.prepare(crops))
    found = []
    for weight in onnx.load(quantised).graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if weight.data_type == onnx.TensorProto.INT8 and values.ndim == 4:
            rows = values.transpose(0, 2, 3, 1).reshape(len(values), -1).astype(int)
            pairs = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(len(rows), -1, 2)
            found += [np.maximum(sign * pairs, 0).sum(2).max() for sign in (1, -1)]
    assert len(found) == 8, "three convolutions and the one of the box, two signs each"
    assert 120 < max(found) <= 128


def test_int8_is_exact_on_every_processor(tmp_path, source, monkeypatch):
    """All weights alike and a white picture: the worst that can happen to a sum of 16 bits."""
    rng = np.random.default_rng(0)
    kernel = np.ones((16, 3, 3, 3), np.float32) + rng.uniform(0, 0.01, (16, 3, 3, 3))
    weights = {
        "first": kernel.astype(np.float32),
        "second": rng.uniform(0.9, 1, (16, 16, 1, 1)).astype(np.float32),
        "last": rng.normal(size=(16, 4)).astype(np.float32),
        "bias": np.zeros(16, np.float32),
    }
    node = onnx.helper.make_node
    graph = onnx.helper.make_graph(
        [
            node("Transpose", ["image"], ["a"], "t", perm=[0, 3, 1, 2]),
            node("Conv", ["a", "first", "bias"], ["b"], "c1"),
            node("Conv", ["b", "second", "bias"], ["c"], "c2"),
            node("GlobalAveragePool", ["c"], ["d"], "p"),
            node("Flatten", ["d"], ["e"], "f"),
            node("MatMul", ["e", "last"], ["probabilities"], "m"),
        ],
        "white",
        [onnx.helper.make_tensor_value_info("image", 1, ["n", 8, 8, 3])],
        [onnx.helper.make_tensor_value_info("probabilities", 1, ["n", 4])],
        [onnx.numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    opset = [onnx.helper.make_opsetid("", 15)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "f.onnx")
    white = np.full((2, 8, 8, 3), 255, np.uint8)
    quantised = tmp_path / "int8.onnx"
    onnx_files.export_int8(tmp_path / "f.onnx", quantised, source.card, source.prepare(white))
    answers = {}
    content = quantised.read_bytes()
    for kernels, file in (
        ("fast", content),
        ("exact", content.replace(runtime.INT8_IS_EXACT.encode(), b"x" * 22)),
    ):
        monkeypatch.setattr(runtime, "_int8_may_overflow", lambda machine: True)
        (answers[kernels],) = open_network(file, "onnx", 1).run(white, ["probabilities"])
    np.testing.assert_array_equal(answers["fast"], answers["exact"])
    (expected,) = open_network(tmp_path / "f.onnx", "onnx", 1).run(
        source.prepare(white), ["probabilities"]
    )
    np.testing.assert_allclose(answers["fast"], expected, rtol=0.02)


@pytest.mark.parametrize("transposed", [False, True])
def test_no_two_neighbours_of_an_inner_product_can_overflow(tmp_path, transposed):
    """Columns of different sizes, one of zeros: each has a scale of its own, by its pairs."""
    rng, node = np.random.default_rng(0), onnx.helper.make_node
    hidden = rng.uniform(0.9, 1, (47, 16)) * np.append(0, np.geomspace(0.01, 1, 15))
    weights = {
        "hidden": (hidden.T if transposed else hidden).astype(np.float32),
        "bias": rng.normal(size=16).astype(np.float32),
        "last": rng.normal(size=(16, 4)).astype(np.float32),
    }
    inner = (
        node("Gemm", ["x", "hidden", "bias"], ["a"], "g", transB=1)
        if transposed
        else node("MatMul", ["x", "hidden"], ["a"], "m")
    )
    graph = onnx.helper.make_graph(
        [
            inner,
            node("Relu", ["a"], ["b"], "r"),
            node("MatMul", ["b", "last"], ["probabilities"], "l"),
        ],
        "inner",
        [onnx.helper.make_tensor_value_info("x", 1, ["n", 47])],
        [onnx.helper.make_tensor_value_info("probabilities", 1, ["n", 4])],
        [onnx.numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    opset = [onnx.helper.make_opsetid("", 15)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "f.onnx")
    inputs = rng.uniform(0, 1, (20, 47)).astype(np.float32)
    model = onnx_int8.quantise(tmp_path / "f.onnx", tmp_path / "q.onnx", (0, 1), inputs)
    (table,) = (w for w in model.graph.initializer if w.dims in ([16, 47], [47, 16]))
    rows = onnx.numpy_helper.to_array(table).astype(int)
    rows = rows if table.dims[0] == 16 else rows.T
    pairs = np.pad(rows, ((0, 0), (0, 1))).reshape(16, -1, 2).sum(axis=2)
    assert not pairs[0].any()
    assert 120 < pairs[1:].max(axis=1).min() <= pairs.max() <= 128
    onnx.save(model, tmp_path / "q.onnx")
    ours, expected = (
        open_network(tmp_path / name, "onnx", 1).run(inputs, ["probabilities"])[0]
        for name in ("q.onnx", "f.onnx")
    )
    assert np.abs(ours - expected).max() < 0.05 * np.abs(expected).max()


def test_a_folded_range_calculates_the_same(tmp_path):
    """With black and white at -1 and 1, pixel 128 is 0 and half a step is left over."""
    rng, step = np.random.default_rng(0), 2 / 255
    weights = {"k": rng.normal(size=(5, 3, 3, 3)), "b": rng.normal(size=5)}
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "k", "b"], ["y"], "c")],
        "range",
        [onnx.helper.make_tensor_value_info("x", 1, [1, 3, 8, 8])],
        [onnx.helper.make_tensor_value_info("y", 1, [1, 5, 6, 6])],
        [onnx.numpy_helper.from_array(v.astype(np.float32), n) for n, v in weights.items()],
    )
    opset = [onnx.helper.make_opsetid("", 15)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    pixels = rng.integers(0, 256, (1, 3, 8, 8)).astype(np.float32)

    def run(values):
        session = ort.InferenceSession(model.SerializeToString())
        return session.run(None, {"x": values.astype(np.float32)})[0]

    expected = run(pixels * step - 1)
    onnx_int8._fold_range(model.graph, model.graph.node[0], step, step / 2)
    np.testing.assert_allclose(run(pixels - 128), expected, atol=1e-4)


def test_a_network_that_does_not_start_with_a_convolution_keeps_its_input(tmp_path, source, crops):
    """As with a report's model that scales its input itself."""
    import keras

    image = keras.Input((32, 32, 3))
    x = keras.layers.MaxPooling2D()(image)
    x = keras.layers.Flatten()(keras.layers.Conv2D(8, 3)(x))
    model = keras.Model(image, {"probabilities": keras.layers.Dense(4, "softmax")(x)})
    other = replace(source, model=model)
    onnx_files.export_fp32(other, tmp_path / "f.onnx")
    tensor = source.prepare(crops)
    onnx_files.export_int8(tmp_path / "f.onnx", tmp_path / "int8.onnx", source.card, tensor)
    network = open_network(tmp_path / "int8.onnx", "onnx", 1)
    assert not network.takes_pixels
    (ours,) = network.run(tensor, ["probabilities"])
    assert np.abs(ours - np.asarray(model(tensor)["probabilities"])).max() < 0.1


def test_litert_takes_pixels_as_they_are(tflite, source, crops):
    network = open_network(tflite, "litert", 1)
    assert network.takes_pixels
    assert network.outputs == {"probabilities": 4, "box": 4}
    probabilities, box = network.run(crops[:40], ["probabilities", "box"])
    expected = source.predict(crops[:40])
    assert (probabilities.argmax(1) == expected["probabilities"].argmax(1)).mean() >= 0.975
    assert np.abs(box - expected["box"]).mean() < 0.01


def test_litert_metadata(tflite, source):
    from ai_edge_litert import schema_py_generated as schema

    content = tflite.read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    (entry,) = [e for e in model.metadata if e.name == b"TFLITE_METADATA"]
    buffer = bytes(model.buffers[entry.buffer].data)
    assert buffer[4:8] == b"M001"
    for text in (b"labels.txt", b"probabilities", b"margin of 0.2", b"Apache-2.0"):
        assert text in buffer
    with zipfile.ZipFile(tflite) as archive:
        assert archive.read("labels.txt").decode().split() == list(source.card.outputs)
        about = json.loads(archive.read("card.json"))
    assert about["size"] == 32
    assert not {"files", "thresholds", "temperature", "face_calibration"} & about.keys(), (
        "what calibration changes stands in the bundle's card only"
    )


def test_litert_weights_are_aligned(tflite):
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAsModel(tflite.read_bytes(), 0)
    starts = []
    for i in range(model.BuffersLength()):
        table = model.Buffers(i)
        offset = table._tab.Offset(4)
        if offset and table.DataLength():
            starts.append(table._tab.Vector(offset))
    assert len(starts) > 4
    assert all(start % 16 == 0 for start in starts)


def test_litert_shrinks_without_changing_what_it_calculates(source, crops, tmp_path, monkeypatch):
    plain, small = tmp_path / "plain.tflite", tmp_path / "small.tflite"
    with monkeypatch.context() as patch:
        patch.setattr(litert, "finish", lambda path, card: None)
        litert.export_litert(source, plain, "int8", source.prepare(crops))
    small.write_bytes(plain.read_bytes())
    litert.finish(small, source.card)
    assert small.stat().st_size < plain.stat().st_size
    names = ["probabilities", "box"]
    for a, b in zip(
        open_network(small, "litert", 1).run(crops, names),
        open_network(plain, "litert", 1).run(crops, names),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_openvino_metadata_and_names(float32, source, crops, tmp_path):
    from masklens.export.openvino import export_openvino

    path = tmp_path / "fp16.xml"
    export_openvino(float32, path, source.card, "fp16")
    text = path.read_text()
    assert "with_mask without_mask mask_worn_incorrectly not_a_face" in text
    assert "127.5 127.5 127.5" in text
    tensor = source.prepare(crops[:8])
    (probabilities,) = open_network(path, "openvino", 1).run(tensor, ["probabilities"])
    expected = source.predict(crops[:8])["probabilities"]
    np.testing.assert_allclose(probabilities, expected, atol=0.02)


def test_choices_keep_one_order():
    assert choices("FP32, int8,fp32", "precision", PRECISIONS) == ("int8", "fp32")
    assert choices("onnx", "format", tuple(FORMATS)) == ("onnx",)
    with pytest.raises(InputError, match='no format "tf"'):
        choices("onnx,tf", "format", tuple(FORMATS))


def test_crops_are_limited_the_same_way_each_time(source, others):
    first, second = (cut_crops(others, source.card, 20) for _ in range(2))
    assert len(first) == 20
    np.testing.assert_array_equal(first.images, second.images)
    assert len(set(first.pictures)) == 20


def test_portraits_are_seen_as_training_sees_them(tmp_path):
    """An export is proved on the pixels that the network was trained on."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 300, 260, 3), dtype=np.uint8)
    for label, pixels in zip(("with_mask", "without_mask"), noise, strict=True):
        (tmp_path / label).mkdir()
        PillowImage.fromarray(pixels).save(tmp_path / label / "a.png")
    crops = cut_crops(tmp_path, toy_card(size=SIZE))
    np.testing.assert_array_equal(crops.images, read_portraits(load_dataset(tmp_path)).images)


def test_pictures_that_cannot_be_read_are_left_out_and_named(tmp_path):
    (tmp_path / "with_mask").mkdir()
    (tmp_path / "with_mask" / "damaged.png").write_bytes(b"no picture")
    with pytest.raises(MasklensError, match=r"No picture of .* can be read"):
        cut_crops(tmp_path, toy_card(size=SIZE))
    PillowImage.new("RGB", (60, 60)).save(tmp_path / "with_mask" / "good.png")
    crops = cut_crops(tmp_path, toy_card(size=SIZE))
    assert len(crops) == 1
    assert [sentence.rpartition("/")[2].split()[0] for sentence in crops.skipped] == ["damaged.png"]


@pytest.mark.parametrize("box", [[90, 5, 20, 20], [5, 5, 300_000, 20]])
def test_a_box_outside_its_picture_proves_nothing(tmp_path, box):
    PillowImage.new("RGB", (80, 60)).save(tmp_path / "a.png")
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": box}],
        "categories": [{"id": 1, "name": "with_mask"}],
    }
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(MasklensError, match="outside, or without area"):
        cut_crops(tmp_path / "c.json", toy_card(size=SIZE))


def test_faces_with_other_labels_are_left_out(source, tmp_path):
    (tmp_path / "hat").mkdir()
    (tmp_path / "hat" / "a.png").write_bytes(b"")
    with pytest.raises(MasklensError, match="no face labelled with_mask"):
        cut_crops(tmp_path, source.card)
