"""From an approved model to a served version: ONNX export and the model registry."""
