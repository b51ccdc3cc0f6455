#ifndef HUMANX_IMAGE_BUFFER_C_H
#define HUMANX_IMAGE_BUFFER_C_H

#include <stddef.h>
#include <stdint.h>

/* A picture in memory. */
typedef struct DpxlImageBuffer {
    int32_t width;       /* pixels a row */
    int32_t height;      /* rows */
    int32_t step;        /* bytes from one row to the next */
    int32_t channels;    /* bytes a pixel */
    const uint8_t *data; /* first byte of the first row; NULL when empty */
    size_t dataSize;     /* readable bytes at data */
    int32_t ownsData;    /* 0: the memory belongs to somebody else */
} DpxlImageBuffer;

#endif
