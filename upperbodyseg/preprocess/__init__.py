"""From a camera's frame to the BGR tensors that the models take."""
