"""What the files say of themselves, and that making them smaller changes nothing."""

import json
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest

from masklens import runtime
from masklens.errors import InputError, MasklensError
from masklens.export import FORMATS, PRECISIONS, choices, litert
from masklens.export import onnx as onnx_files
from masklens.export.samples import cut_crops
from masklens.export.source import load_source
from masklens.runtime import open_network


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
    per_channel = [w for w in graph.initializer if w.data_type == onnx.TensorProto.INT8]
    assert len({tuple(w.dims) for w in per_channel}) > 1


def test_int8_gives_the_same_without_vnni(float32, source, crops, tmp_path, monkeypatch):
    """The exact kernels, as processors without VNNI use them."""
    quantised = tmp_path / "int8.onnx"
    onnx_files.export_int8(float32, quantised, source.card, source.prepare(crops))
    tensor = source.prepare(crops[:20])
    (fast,) = open_network(quantised, "onnx", 1).run(tensor, ["probabilities"])
    monkeypatch.setattr(runtime, "_int8_may_overflow", lambda: True)
    (exact,) = open_network(quantised, "onnx", 1).run(tensor, ["probabilities"])
    if "vnni" in Path("/proc/cpuinfo").read_text():
        np.testing.assert_allclose(fast, exact, atol=1e-6)


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
        assert json.loads(archive.read("card.json"))["size"] == 32


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


def test_faces_with_other_labels_are_left_out(source, tmp_path):
    (tmp_path / "hat").mkdir()
    (tmp_path / "hat" / "a.png").write_bytes(b"")
    with pytest.raises(MasklensError, match="no face labelled with_mask"):
        cut_crops(tmp_path, source.card)
