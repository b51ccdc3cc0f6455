/* Run at the end of a build: Python starts inside a C program, and the models load. */
#include <stdio.h>

#include <humanx/humanx_naver_c.h>

int main(void) {
    DpxlCoreAIUpperBodySegmentationNaver *handle = dpxl_coreai_upperbodyseg_naver_create();
    bool works = handle != NULL && dpxl_coreai_upperbodyseg_naver_initialize(handle);
    if (!works) {
        fprintf(stderr, "%s\n", dpxl_coreai_upperbodyseg_naver_last_error(NULL));
    }
    dpxl_coreai_upperbodyseg_naver_destroy(handle);
    return works ? 0 : 1;
}
