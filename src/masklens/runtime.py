"""Opening ONNX Runtime sessions in one way, for the face finder and the classifier."""

from __future__ import annotations

import onnxruntime as ort

from masklens.errors import BundleError


def open_session(model: bytes, threads: int = 0) -> ort.InferenceSession:
    """Open a model on the processor.

    Args:
        model: content of an ONNX file.
        threads: threads inside one operator; 0 lets ONNX Runtime choose (one per core).

    Raises:
        BundleError: ONNX Runtime cannot read the model.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Finder and classifier take turns: a pool that spins while it waits steals the other's core.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common base but Exception
        raise BundleError(f"ONNX Runtime cannot open the model: {error}") from error
