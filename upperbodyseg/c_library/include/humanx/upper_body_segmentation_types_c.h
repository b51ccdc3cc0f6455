#ifndef HUMANX_UPPER_BODY_SEGMENTATION_TYPES_C_H
#define HUMANX_UPPER_BODY_SEGMENTATION_TYPES_C_H

#include <stdbool.h>
#include <stdint.h>

#include "image_buffer_c.h"

/* What became of one frame. */
typedef struct DpxlCoreAIUpperBodySegmentationOutput {
    uint32_t timestamp; /* the frame's */
    bool success;       /* true: segmentationMask is valid */
    /* One channel, the frame's size: 255 person, 0 background, 1-254 soft edge.
       The memory is the library's. It lives until the next process or destroy of the handle. */
    DpxlImageBuffer segmentationMask;
} DpxlCoreAIUpperBodySegmentationOutput;

#endif
