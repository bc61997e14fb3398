"""OpenVINO's own format, an ``.xml`` with a ``.bin`` beside it, read from the ONNX files.

float16 keeps the weights in half precision; OpenVINO calculates in float32 all the same, because
:mod:`masklens.runtime` asks it to.
"""

from __future__ import annotations

from pathlib import Path

from masklens.card import ModelCard


def export_openvino(onnx_file: Path, path: Path, card: ModelCard, precision: str) -> None:
    """Convert an ONNX file.

    Args:
        onnx_file: float32 for the precisions "fp32" and "fp16", int8 for "int8".
        path: of the ``.xml``.
        card: its labels and value range are written into the file's ``model_info``.
        precision: see above.
    """
    import openvino

    model = openvino.Core().read_model(onnx_file)
    takes_pixels = model.input(0).element_type == openvino.Type.u8
    low, high = (0, 255) if takes_pixels else card.value_range
    scale = 255 / (high - low)
    info = {
        "model_name": f"{card.name} {card.version}",
        "labels": " ".join(card.outputs),
        "reverse_input_channels": "NO",
        "mean_values": " ".join([f"{-low * scale:g}"] * 3),
        "scale_values": " ".join([f"{scale:g}"] * 3),
    }
    for key, value in info.items():
        model.set_rt_info(value, ["model_info", key])
    openvino.save_model(model, path, compress_to_fp16=precision == "fp16")
