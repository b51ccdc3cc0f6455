#ifndef HUMANX_FRAME_INPUT_C_H
#define HUMANX_FRAME_INPUT_C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image_type_c.h"

/* One frame. The library only reads its memory, and only during the call. */
typedef struct DpxlFrameInput {
    uint32_t timestamp; /* handed through to the output; the unit is the caller's */
    const void *data;   /* first byte of the first row */
    size_t dataSize;    /* readable bytes at data */
    int32_t width;      /* pixels a row */
    int32_t height;     /* rows of the picture; for 4:2:0 of its luma plane */
    int32_t stride;     /* bytes from one row to the next; 0: rows are not padded */
    DpxlImageType imageType;
    bool isStill; /* true: a picture by itself; false: the next frame of the handle's stream */
} DpxlFrameInput;

#endif
