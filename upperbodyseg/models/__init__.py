"""The two TensorFlow Lite models and the runtime that executes them."""
