/* FRAMES FILE WIDTH HEIGHT STRIDE TYPE IS_STILL: prints the resident KiB after a tenth of the frames, and after all. */
#define _POSIX_C_SOURCE 200809L
#include <unistd.h>

#include "support.h"

static long resident(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

int main(int count, char **arguments) {
    CHECK(count == 8);
    int frames = atoi(arguments[1]);
    DpxlFrameInput frame = frame_of(arguments + 2);
    DpxlCoreAIUpperBodySegmentationOutput output;
    DpxlCoreAIUpperBodySegmentationNaver *handle = dpxl_coreai_upperbodyseg_naver_create_with_options("model=fast");
    CHECK(handle != NULL && dpxl_coreai_upperbodyseg_naver_initialize(handle));
    for (int i = 0; i < frames; i++) {
        if (i == frames / 10) {
            printf("%ld\n", resident());
        }
        CHECK(dpxl_coreai_upperbodyseg_naver_process(handle, &frame, 0.5, &output));
        CHECK(!dpxl_coreai_upperbodyseg_naver_process(handle, NULL, 0.5, &output));
        frame.height = -frame.height;
        CHECK(!dpxl_coreai_upperbodyseg_naver_process(handle, &frame, 0.5, &output)); /* errors leave nothing, either */
        frame.height = -frame.height;
    }
    printf("%ld\n", resident());
    dpxl_coreai_upperbodyseg_naver_destroy(handle);
    free((void *)frame.data);
    return 0;
}
