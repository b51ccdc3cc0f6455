/* A forked child is refused, since Python's other threads are gone there; its parent goes on. */
#define _POSIX_C_SOURCE 200809L
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

int main(void) {
    DpxlCoreAIUpperBodySegmentationNaver *handle = dpxl_coreai_upperbodyseg_naver_create_with_options("model=fast");
    CHECK(handle != NULL);
    pid_t child = fork();
    if (child == 0) {
        CHECK(!dpxl_coreai_upperbodyseg_naver_initialize(handle));
        CHECK(strstr(dpxl_coreai_upperbodyseg_naver_last_error(handle), "forked") != NULL);
        CHECK(dpxl_coreai_upperbodyseg_naver_create() == NULL);
        dpxl_coreai_upperbodyseg_naver_destroy(handle);
        _exit(0);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(dpxl_coreai_upperbodyseg_naver_initialize(handle));
    dpxl_coreai_upperbodyseg_naver_destroy(handle);
    return 0;
}
