"""Opening a network in one of three runtimes, so that the code above knows only one form.

A model file goes in; out comes a :class:`Network` that takes one tensor and gives named ones. ONNX
Runtime comes with masklens, LiteRT and OpenVINO are extras. All of them run on the processor.
"""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from masklens.crop import FloatArray
from masklens.errors import BundleError, MissingExtraError
from masklens.limits import cores

# From version 1.32 on, ONNX Runtime for Linux reports its use to its maker, unless told not to
# before it is imported. Nothing leaves the machine from here; whoever wants it can set 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

#: runtime -> suffixes of the files it reads, the preferred one first
RUNTIMES: dict[str, tuple[str, ...]] = {
    "onnx": (".onnx",),
    "litert": (".tflite",),
    "openvino": (".xml", ".onnx"),
}

#: An entry of an ONNX file's metadata: its int8 weights are scaled so that no kernel overflows.
INT8_IS_EXACT = "masklens_int8_is_exact"

#: What the runtimes' own exceptions have in common is only Exception.
_AnyError = Exception


class Network(Protocol):
    """A network that is ready to run. It can be pickled; there the same model is opened again.

    Attributes:
        takes_pixels: its input is uint8 0…255, so that it wants crops as they are; otherwise it is
            float32 in the card's value range.
        outputs: name -> number of columns; 0 where the file does not say.
        fixed_size: height and width of the input (N, H, W, C); None if they are free.
    """

    takes_pixels: bool
    fixed_size: tuple[int, int] | None
    outputs: Mapping[str, int]

    def run(self, tensor: npt.NDArray[Any], names: Sequence[str]) -> list[FloatArray]:
        """One tensor in, the named outputs in their order; called by several threads at once.

        Raises:
            BundleError: the runtime cannot run the network on this tensor.
        """
        ...


def open_network(
    model: Path | bytes, runtime: str = "onnx", threads: int = 0, *, frugal: bool = False
) -> Network:
    """Open a model on the processor.

    Args:
        model: a file, or the content of an ONNX file.
        runtime: one of :data:`RUNTIMES`.
        threads: 0 is one per core.
        frugal: ONNX Runtime gives its memory back after each run instead of keeping it for the
            next one, which then takes a third longer.

    Raises:
        BundleError: no such runtime, or it cannot read the model.
        MissingExtraError: the runtime is not installed.
    """
    if runtime == "onnx":
        return OnnxNetwork(model, threads, frugal)
    if runtime == "litert":
        if find_spec("ai_edge_litert") is None:
            raise MissingExtraError("The runtime litert", "litert")
        return LiteRTNetwork(model, threads)
    if runtime == "openvino":
        if find_spec("openvino") is None:
            raise MissingExtraError("The runtime openvino", "openvino")
        return OpenVinoNetwork(model, threads)
    raise BundleError(f'No runtime is called "{runtime}", only {", ".join(RUNTIMES)}.')


def _default_threads() -> int:
    """Threads of ONNX Runtime and OpenVINO; 0 leaves it to them: one per physical core.

    They do not see when a process may use fewer cores than there are.
    """
    allowed = cores()
    return allowed if allowed < (os.cpu_count() or 1) else 0


def open_session(model: bytes, threads: int = 0, name: str = "the model") -> ort.InferenceSession:
    """Open the content of an ONNX file in ONNX Runtime; see :func:`open_network`."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or _default_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Finder and classifier take turns: a pool that spins while it waits steals the other's core.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if _int8_may_overflow(platform.machine()) and INT8_IS_EXACT.encode() not in model:
        options.add_session_config_entry("session.x64quantprecision", "1")
    with _told(f"ONNX Runtime cannot open {name}"):
        # Its second attempt, with the same processor, would be told on standard output.
        return ort.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )


class OnnxNetwork:
    """A network in ONNX Runtime."""

    takes_pixels = False

    def __init__(self, model: Path | bytes, threads: int, frugal: bool = False) -> None:
        self._opened = model, threads, frugal
        self._name = _name_of(model)
        self.session = open_session(read_model(model), threads, self._name)
        self._options = ort.RunOptions()
        if frugal:
            self._options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        with _told(f"ONNX Runtime cannot read the names in {self._name}"):
            inputs = {one.name: one for one in self.session.get_inputs()}
            self.outputs: Mapping[str, int] = {
                output.name: _columns(output.shape) for output in self.session.get_outputs()
            }
        if len(inputs) != 1:
            raise BundleError(f"{self._name} must have one input. Received: {list(inputs)}")
        ((self._input, only),) = inputs.items()
        self.takes_pixels = only.type == "tensor(uint8)"
        self.fixed_size = _fixed_size(only.shape)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._opened

    def run(self, tensor: npt.NDArray[Any], names: Sequence[str]) -> list[FloatArray]:
        """See :class:`Network`."""
        with _told(f"ONNX Runtime cannot run {self._name}"):
            outputs: list[FloatArray] = self.session.run(
                list(names), {self._input: tensor}, self._options
            )
        return outputs


class Spares:
    """What only one thread may use at a time: as many are made as are ever used at once.

    They outlive the threads, which come and go with every folder and film.

    Args:
        make: makes one; called by whichever thread finds all others in use.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._idle: list[Any] = []

    @contextmanager
    def one(self) -> Iterator[Any]:
        """One that nobody else uses meanwhile."""
        try:
            item = self._idle.pop()  # in one step, whatever other threads do
        except IndexError:
            item = self._make()
        try:
            yield item
        finally:
            self._idle.append(item)


class LiteRTNetwork:
    """A network in LiteRT, formerly TensorFlow Lite. Its files take one picture at a time."""

    def __init__(self, model: Path | bytes, threads: int) -> None:
        self._opened = model, threads
        from ai_edge_litert.interpreter import Interpreter

        content = read_model(model)

        def opened() -> Any:
            interpreter = Interpreter(model_content=content, num_threads=threads or cores())
            interpreter.allocate_tensors()
            return interpreter

        self._name = _name_of(model)
        self._interpreters = Spares(opened)
        with _told(f"LiteRT cannot open {self._name}"), self._interpreters.one() as interpreter:
            (signature,) = interpreter.get_signature_list()
            details = interpreter.get_signature_runner(signature).get_output_details()
            (only,) = interpreter.get_input_details()
        self._input = int(only["index"])
        self.takes_pixels = bool(only["dtype"] == np.uint8)
        self.fixed_size = _fixed_size(only["shape_signature"])
        self._indices = {name: int(output["index"]) for name, output in details.items()}
        self.outputs: Mapping[str, int] = {
            name: _columns(output["shape"]) for name, output in details.items()
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._opened

    def run(self, tensor: npt.NDArray[Any], names: Sequence[str]) -> list[FloatArray]:
        """See :class:`Network`."""
        rows: list[list[FloatArray]] = [[] for _ in names]
        with _told(f"LiteRT cannot run {self._name}"), self._interpreters.one() as interpreter:
            for index in range(len(tensor)):
                interpreter.set_tensor(self._input, tensor[index : index + 1])
                interpreter.invoke()
                for row, name in zip(rows, names, strict=True):
                    row.append(interpreter.get_tensor(self._indices[name]))
        return [np.concatenate(row) for row in rows]


class OpenVinoNetwork:
    """A network in OpenVINO, from its own format or from ONNX."""

    def __init__(self, model: Path | bytes, threads: int) -> None:
        self._opened = model, threads
        import openvino

        settings = {
            # Processors with bfloat16 units would use them unasked, and lose two digits.
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads or _default_threads(),
            "NUM_STREAMS": 1,
        }
        core = _openvino_core()
        self._name = _name_of(model)
        with _told(f"OpenVINO cannot open {self._name}"):
            compiled = core.compile_model(core.read_model(model), "CPU", settings)
            only = compiled.input()  # without a number: there is one
        self._requests = Spares(compiled.create_infer_request)
        self.takes_pixels = bool(only.element_type == openvino.Type.u8)
        self.fixed_size = _fixed_size(
            [d.get_length() if d.is_static else -1 for d in only.partial_shape]
        )
        self.outputs: Mapping[str, int] = {
            name: _columns(list(output.partial_shape))
            for output in compiled.outputs
            for name in output.names
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._opened

    def run(self, tensor: npt.NDArray[Any], names: Sequence[str]) -> list[FloatArray]:
        """See :class:`Network`."""
        with _told(f"OpenVINO cannot run {self._name}"), self._requests.one() as request:
            outputs = request.infer({0: tensor})
            return [outputs[name] for name in names]


@functools.cache
def _openvino_core() -> Any:
    """OpenVINO's Core, one for the whole process.

    On processors with AMX each Core gives the thread that makes it a stack for signals, and at its
    end puts back the one before: of two, that of the first, which may be gone, and a Ctrl-C then
    ended in a segmentation fault.
    """
    import openvino

    return openvino.Core()


@contextmanager
def _told(what: str) -> Iterator[None]:
    """What a runtime raises, in one line that begins with ``what``."""
    try:
        yield
    except _AnyError as error:
        raise BundleError(f"{what}: {' '.join(str(error).split())}") from error


def read_model(model: Path | bytes) -> bytes:
    """What is in a model's file; what was read before is given back.

    Raises:
        BundleError: the file cannot be read.
    """
    if isinstance(model, bytes):
        return model
    try:
        return model.read_bytes()
    except OSError as error:
        raise BundleError(f"Cannot read {model}: {error.strerror}.") from error


def _name_of(model: Path | bytes) -> str:
    return str(model) if isinstance(model, Path) else "the model"


@functools.cache
def _int8_may_overflow(machine: str, told: Path = Path("/proc/cpuinfo")) -> bool:
    """x86 without VNNI: sums of two int8 products are kept in 16 bits there, which can overflow.

    It would change labels without a word, so that ONNX Runtime is asked for its exact kernels,
    which take half as long again, unless a file says that it needs none. Where nothing tells of
    VNNI they are asked for as well.

    Args:
        machine: from :func:`platform.machine`.
        told: the file in which Linux says what the processor has.
    """
    if machine.lower() not in ("x86_64", "amd64"):
        return False
    try:
        return "vnni" not in told.read_text(encoding="utf-8")
    except OSError:
        return True


def _fixed_size(shape: Sequence[Any]) -> tuple[int, int] | None:
    """Height and width of an input (N, H, W, C), None unless both are fixed."""
    if len(shape) != 4:
        return None
    sides = [int(d) if isinstance(d, int | np.integer) and d > 0 else 0 for d in shape[1:3]]
    return (sides[0], sides[1]) if all(sides) else None


def _columns(shape: Sequence[Any]) -> int:
    """The size of the last axis, 0 if it is free."""
    if len(shape) == 0:
        return 0
    last = shape[-1]
    if hasattr(last, "is_static"):  # OpenVINO's Dimension
        return int(last.get_length()) if last.is_static else 0
    return int(last) if isinstance(last, int | np.integer) else 0
