"""Training of the face finder: one module per step, from boxed photographs to ``finder.onnx``."""
