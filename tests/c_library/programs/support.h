/* What the test programs share: files, and checks that end the program with the line that failed. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <humanx/humanx_naver_c.h>

#define CHECK(condition)                                                                              \
    do {                                                                                              \
        if (!(condition)) {                                                                           \
            fprintf(stderr, "%s:%d: not so: %s; last error: %s\n", __FILE__, __LINE__, #condition,    \
                    dpxl_coreai_upperbodyseg_naver_last_error(NULL));                                 \
            exit(1);                                                                                  \
        }                                                                                             \
    } while (0)

/* Six arguments of a program: FILE WIDTH HEIGHT STRIDE TYPE IS_STILL. */
static inline DpxlFrameInput frame_of(char **arguments) {
    DpxlFrameInput frame;
    memset(&frame, 0, sizeof frame);
    FILE *file = fopen(arguments[0], "rb");
    CHECK(file != NULL);
    fseek(file, 0, SEEK_END);
    frame.dataSize = (size_t)ftell(file);
    rewind(file);
    void *bytes = malloc(frame.dataSize);
    CHECK(bytes != NULL && fread(bytes, 1, frame.dataSize, file) == frame.dataSize);
    fclose(file);
    frame.data = bytes;
    frame.width = (int32_t)atoi(arguments[1]);
    frame.height = (int32_t)atoi(arguments[2]);
    frame.stride = (int32_t)atoi(arguments[3]);
    frame.imageType = (DpxlImageType)atoi(arguments[4]);
    frame.isStill = atoi(arguments[5]) != 0;
    return frame;
}

static inline void write_mask(FILE *file, const uint8_t *data, size_t size) {
    CHECK(file != NULL && fwrite(data, 1, size, file) == size);
}

#endif
