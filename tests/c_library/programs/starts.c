/* Eight threads start Python at once; each then has an engine of its own. */
#include <pthread.h>

#include "support.h"

enum { THREADS = 8 };

static void *run(void *nothing) {
    DpxlCoreAIUpperBodySegmentationNaver *handle = dpxl_coreai_upperbodyseg_naver_create_with_options("model=fast");
    CHECK(handle != NULL && dpxl_coreai_upperbodyseg_naver_initialize(handle));
    dpxl_coreai_upperbodyseg_naver_destroy(handle);
    return nothing;
}

int main(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, run, NULL) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    return 0;
}
