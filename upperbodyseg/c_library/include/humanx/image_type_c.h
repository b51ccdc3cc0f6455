#ifndef HUMANX_IMAGE_TYPE_C_H
#define HUMANX_IMAGE_TYPE_C_H

/* How the bytes of a frame are laid out. For 4:2:0, height luma rows come first. */
typedef enum DpxlImageType {
    DPXL_IMAGE_TYPE_BGR_888 = 0,     /* 3 bytes a pixel: blue, green, red */
    DPXL_IMAGE_TYPE_RGB_888 = 1,     /* 3 bytes a pixel: red, green, blue */
    DPXL_IMAGE_TYPE_YUV_420_888 = 2, /* NV21: (height + 1) / 2 rows of V, U pairs follow, with the same stride */
    DPXL_IMAGE_TYPE_RGBA_8888 = 3,   /* 4 bytes a pixel: red, green, blue, alpha; alpha is ignored */
    DPXL_IMAGE_TYPE_BGRA_8888 = 4,   /* 4 bytes a pixel: blue, green, red, alpha; alpha is ignored */
    /* Beyond the original. */
    DPXL_IMAGE_TYPE_NV12 = 5, /* as YUV_420_888, with U, V pairs */
    DPXL_IMAGE_TYPE_I420 = 6  /* a plane of U, then a plane of V, each with half the stride, rounded up */
} DpxlImageType;

#endif
