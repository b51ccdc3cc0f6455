/* Creates and destroys handles; prints the resident KiB after a fifth of them, and after all. */
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
    CHECK(count == 2);
    int handles = atoi(arguments[1]);
    for (int i = 0; i < handles; i++) {
        if (i == handles / 5) {
            printf("%ld\n", resident());
        }
        DpxlCoreAIUpperBodySegmentationNaver *handle = dpxl_coreai_upperbodyseg_naver_create_with_options("model=fast");
        CHECK(handle != NULL && dpxl_coreai_upperbodyseg_naver_initialize(handle));
        dpxl_coreai_upperbodyseg_naver_destroy(handle);
    }
    printf("%ld\n", resident());
    return 0;
}
