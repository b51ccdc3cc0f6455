/* FRAMES FILE WIDTH HEIGHT STRIDE TYPE IS_STILL: four threads, each with a stream of its own and one handle for all. */
#include <pthread.h>

#include "support.h"

enum { THREADS = 4 };

static DpxlFrameInput frame;
static int frames;
static DpxlCoreAIUpperBodySegmentationNaver *shared;

static uint64_t hash(uint64_t state, const DpxlImageBuffer *mask) {
    for (size_t i = 0; i < mask->dataSize; i++) {
        state = (state ^ mask->data[i]) * 1099511628211u; /* FNV-1a */
    }
    return state;
}

static void *run(void *result) {
    DpxlCoreAIUpperBodySegmentationOutput output;
    uint64_t state = 14695981039346656037u;
    DpxlCoreAIUpperBodySegmentationNaver *handle = dpxl_coreai_upperbodyseg_naver_create_with_options("model=fast");
    CHECK(handle != NULL && dpxl_coreai_upperbodyseg_naver_initialize(handle));
    for (int i = 0; i < frames; i++) {
        DpxlFrameInput own = frame;
        own.timestamp = (uint32_t)i;
        CHECK(dpxl_coreai_upperbodyseg_naver_process(handle, &own, 0.5, &output));
        CHECK(output.timestamp == (uint32_t)i);
        state = hash(state, &output.segmentationMask);
        if (i % 20 == 0) {
            own.width = -1; /* messages are the thread's own */
            CHECK(!dpxl_coreai_upperbodyseg_naver_process(handle, &own, 0.5, &output));
            CHECK(strstr(dpxl_coreai_upperbodyseg_naver_last_error(handle), "width") != NULL);
            /* Calls with one handle wait for each other; its mask is the last caller's. */
            CHECK(dpxl_coreai_upperbodyseg_naver_process(shared, &frame, 0.5, &output) && output.success);
            CHECK(dpxl_coreai_upperbodyseg_naver_last_error(NULL)[0] == '\0');
        }
    }
    dpxl_coreai_upperbodyseg_naver_destroy(handle);
    *(uint64_t *)result = state;
    return NULL;
}

int main(int count, char **arguments) {
    pthread_t threads[THREADS];
    uint64_t results[THREADS];
    CHECK(count == 8);
    frames = atoi(arguments[1]);
    frame = frame_of(arguments + 2);
    /* The threads start Python between them. */
    for (int i = 0; i < THREADS; i++) {
        if (i == 1) {
            shared = dpxl_coreai_upperbodyseg_naver_create_with_options("model=fast");
            CHECK(shared != NULL && dpxl_coreai_upperbodyseg_naver_initialize(shared));
            CHECK(pthread_create(&threads[0], NULL, run, &results[0]) == 0);
        }
        CHECK(i == 0 || pthread_create(&threads[i], NULL, run, &results[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(results[i] == results[0]);
    }
    dpxl_coreai_upperbodyseg_naver_destroy(shared);
    free((void *)frame.data);
    return 0;
}
