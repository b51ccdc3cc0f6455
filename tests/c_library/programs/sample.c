/* MASKS OPTIONS (FILE WIDTH HEIGHT STRIDE TYPE IS_STILL)...: a handle, its frames in turn, their masks in a file. */
#include "support.h"

int main(int count, char **arguments) {
    FILE *masks = fopen(arguments[1], "wb");
    DpxlCoreAIUpperBodySegmentationNaver *h = arguments[2][0] == '\0'
                                                  ? dpxl_coreai_upperbodyseg_naver_create()
                                                  : dpxl_coreai_upperbodyseg_naver_create_with_options(arguments[2]);
    CHECK(h != NULL);
    CHECK(!dpxl_coreai_upperbodyseg_naver_is_initialized(h));
    CHECK(dpxl_coreai_upperbodyseg_naver_initialize(h));
    CHECK(dpxl_coreai_upperbodyseg_naver_is_initialized(h));
    for (int i = 3; i + 5 < count; i += 6) {
        DpxlFrameInput in = frame_of(arguments + i);
        DpxlCoreAIUpperBodySegmentationOutput out = {0};
        in.timestamp = 4294967295u - (uint32_t)i;
        CHECK(dpxl_coreai_upperbodyseg_naver_process(h, &in, 0.5, &out));
        CHECK(out.success && out.timestamp == in.timestamp);
        CHECK(out.segmentationMask.width == in.width && out.segmentationMask.height == in.height);
        CHECK(out.segmentationMask.channels == 1 && out.segmentationMask.step == in.width);
        CHECK(out.segmentationMask.dataSize == (size_t)in.width * (size_t)in.height);
        CHECK(out.segmentationMask.ownsData == 0);
        CHECK(dpxl_coreai_upperbodyseg_naver_last_error(h)[0] == '\0');
        free((void *)in.data); /* the library does not use the frame after the call */
        write_mask(masks, out.segmentationMask.data, out.segmentationMask.dataSize);
    }
    dpxl_coreai_upperbodyseg_naver_destroy(h);
    fclose(masks);
    return 0;
}
