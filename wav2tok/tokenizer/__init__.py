"""Inference: audio to tokens with ONNX Runtime only."""
