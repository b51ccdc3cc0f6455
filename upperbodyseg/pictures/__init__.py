"""Picture files: the one reader and writer of the package.

Pillow decodes, and only the formats of :data:`FORMATS`: its other plugins never see a stranger's bytes.
What is decoded is checked first: see :mod:`upperbodyseg.pictures.safe_bytes`. Pillow is loaded with the first
picture that is read.
"""

from upperbodyseg.pictures.decode import (
    PictureFile,
    decode_labels,
    decode_picture,
    keep_pillows_memory,
    lift_pillows_limit,
    picture_size,
    read_picture,
)
from upperbodyseg.pictures.encode import encode_picture
from upperbodyseg.pictures.errors import PictureError, PictureFormatError, PictureTooLargeError
from upperbodyseg.pictures.folder import SUFFIXES, list_pictures, read_file
from upperbodyseg.pictures.limits import FORMATS, PictureLimits
from upperbodyseg.pictures.picture import Picture, flatten

__all__ = [
    "FORMATS",
    "SUFFIXES",
    "Picture",
    "PictureError",
    "PictureFile",
    "PictureFormatError",
    "PictureLimits",
    "PictureTooLargeError",
    "decode_labels",
    "decode_picture",
    "encode_picture",
    "flatten",
    "keep_pillows_memory",
    "lift_pillows_limit",
    "list_pictures",
    "picture_size",
    "read_file",
    "read_picture",
]
