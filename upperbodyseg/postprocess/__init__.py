"""From the models' outputs to boxes and to the mask of the frame."""
