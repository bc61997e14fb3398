"""One network in several runtimes, and the sentences when it cannot be."""

import os
import subprocess
import sys

import numpy as np
import pytest

from masklens import runtime
from masklens.bundle import default_bundle_folder
from masklens.classifier import MaskClassifier, model_file
from masklens.detector import MaskDetector
from masklens.errors import BundleError, MissingExtraError
from masklens.faces import YuNet
from masklens.runtime import open_network


def test_openvino_reads_what_onnx_runtime_reads(toy_bundle):
    pytest.importorskip("openvino")
    crops = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    ours, theirs = (
        MaskClassifier(toy_bundle, 1, runtime=name).predict(crops) for name in ("onnx", "openvino")
    )
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-5)


def test_openvino_does_not_write_over_what_it_gave(toy_bundle):
    pytest.importorskip("openvino")
    network = open_network(toy_bundle.path(), "openvino", 1)
    black, white = (np.full((1, 32, 32, 3), value, np.float32) for value in (-1, 1))
    black[..., 0] = 0
    (first,) = network.run(black, ["probabilities"])
    before = first.copy()
    network.run(white, ["probabilities"])
    np.testing.assert_array_equal(first, before)


def test_the_whole_detector_in_openvino(toy_bundle, portrait):
    pytest.importorskip("openvino")
    ours, theirs = (
        MaskDetector(toy_bundle, threads=1, runtime=name).detect(portrait)
        for name in ("onnx", "openvino")
    )
    assert len(ours) == len(theirs) == 1
    np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=0.1)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-3)


def test_ctrl_c_is_heard_when_openvino_was_let_go_of():
    """On processors with AMX, OpenVINO gives signals a stack of their own."""
    pytest.importorskip("openvino")
    program = """
import gc, signal
from masklens import MaskDetector
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
detector = MaskDetector(threads=1, runtime="openvino")
del detector
gc.collect()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("heard")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


@pytest.mark.parametrize("name", runtime.RUNTIMES)
def test_many_pictures_in_two_threads(name, portrait):
    """A finder that both use at a time would see one's picture and answer the other."""
    if name != "onnx":
        pytest.importorskip({"litert": "ai_edge_litert"}.get(name, name))
    detector = MaskDetector(threads=2, runtime=name)
    blank = np.full_like(portrait, 99)
    found = list(detector.detect_many([portrait, blank] * 12))
    assert [len(detections) for detections in found] == [1, 0] * 12


@pytest.mark.parametrize("name", [b"image", b"probabilities", b"Conv"])
def test_names_in_a_damaged_file_end_in_a_sentence(capfd, name):
    """ONNX Runtime gives them as they come, and would print that it tries once more."""
    model = default_bundle_folder().joinpath("classifier.onnx").read_bytes()
    assert name in model
    with pytest.raises(BundleError, match=r"ONNX Runtime cannot .*'utf-8' codec can't decode"):
        open_network(model.replace(name, b"\xff" * len(name)))
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(("allowed", "asked", "threads"), [(8, 0, 0), (3, 0, 3), (3, 5, 5)])
def test_the_choice_of_onnx_runtime_counts_unless_there_are_fewer_cores(
    toy_bundle, monkeypatch, allowed, asked, threads
):
    """Its own is one per physical core: processors with two threads in each have half as many."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(runtime, "cores", lambda: allowed)
    session = open_network(toy_bundle.path(), threads=asked).session
    assert session.get_session_options().intra_op_num_threads == threads


def test_what_is_not_in_use_is_used_again():
    spares = runtime.Spares(object)
    with spares.one() as first, spares.one() as second:
        assert first is not second
    with spares.one() as again:
        assert again in (first, second)


@pytest.mark.parametrize("name", ["litert", "openvino"])
def test_a_missing_runtime_names_its_extra(toy_bundle, monkeypatch, name):
    monkeypatch.setattr(runtime, "find_spec", lambda module: None)
    with pytest.raises(MissingExtraError, match=rf"masklens\[{name}\]"):
        open_network(toy_bundle.path(), name)


def test_an_unknown_runtime(toy_bundle):
    with pytest.raises(BundleError, match='No runtime is called "torch", only onnx, litert'):
        MaskDetector(toy_bundle, runtime="torch")
    with pytest.raises(BundleError, match='No runtime is called "torch"'):
        open_network(toy_bundle.path(), "torch")


def test_a_bundle_without_a_file_for_the_runtime(toy_bundle):
    with pytest.raises(BundleError, match=r"no model for the runtime litert \(\.tflite\)"):
        MaskDetector(toy_bundle, runtime="litert")
    assert model_file(toy_bundle, "openvino").name == "classifier.onnx"


@pytest.mark.parametrize(
    ("name", "module", "message"),
    [
        ("onnx", "onnxruntime", "ONNX Runtime cannot open"),
        ("litert", "ai_edge_litert", "LiteRT cannot open"),
        ("openvino", "openvino", "OpenVINO cannot open"),
    ],
)
def test_junk_is_refused(name, module, message):
    pytest.importorskip(module)
    with pytest.raises(BundleError, match=message):
        open_network(b"junk", name)


@pytest.mark.parametrize("name", runtime.RUNTIMES)
def test_a_file_that_is_gone(name, tmp_path):
    """As of a bundle that was loaded before."""
    if name != "onnx":
        pytest.importorskip({"litert": "ai_edge_litert"}.get(name, name))
    with pytest.raises(BundleError, match=r"gone\.onnx"):
        open_network(tmp_path / "gone.onnx", name)


@pytest.mark.parametrize(
    ("machine", "flags", "expected"),
    [
        ("x86_64", "flags : fpu avx2 avx512_vnni", False),
        ("x86_64", "flags : fpu avx2 avx_vnni", False),
        ("x86_64", "flags : fpu avx2", True),
        ("AMD64", "flags : fpu avx2", True),  # as Windows calls it
        ("AMD64", None, True),  # nothing tells of VNNI there
        ("aarch64", "Features : fp asimddp", False),
        ("arm64", None, False),
    ],
)
def test_where_int8_may_overflow(machine, flags, expected, tmp_path):
    told = tmp_path / "cpuinfo"
    if flags is not None:
        told.write_text(flags)
    assert runtime._int8_may_overflow(machine, told) is expected


def test_the_face_finder_stays_in_onnx_runtime_for_litert():
    from masklens.finder import load_finder

    finder = load_finder("yunet", 1, "litert")
    assert isinstance(finder, YuNet)
    assert type(finder.network) is runtime.OnnxNetwork


def test_onnx_runtime_reports_nothing(toy_bundle, tmp_path):
    """It keeps what it would send below the home folder, with an id of the machine."""
    code = f"from masklens import MaskDetector; MaskDetector({str(toy_bundle.folder)!r})"
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": ""}
    (tmp_path / "home").mkdir()
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not [path for path in (tmp_path / "home").rglob("*onnxruntime*") if path.is_file()]
