/* The functions of the C API: they check pointers and keep messages; the bridge module does the rest. */
#include <stdint.h>
#include <string.h>

#include "build_config.h" /* written by the build */
#include "humanx/humanx_naver_c.h"
#include "platform.h"
#include "python_runtime.h"

typedef DpxlCoreAIUpperBodySegmentationNaver Handle;
typedef DpxlCoreAIUpperBodySegmentationOutput Output;

_Static_assert(sizeof(DpxlImageType) == 4, "the bridge reads imageType as 32 bits");
_Static_assert(sizeof(bool) == 1, "the bridge reads isStill as one byte");

/* Why this thread's last call failed, and with which handle. */
static THREAD_LOCAL struct {
    const Handle *handle;
    char message[1024];
} last_error;

/* A handle is a number that the bridge gave and never gives again. It is not an address. */
static unsigned long long number(const void *pointer) { return (unsigned long long)(uintptr_t)pointer; }

/* A message that was cut off must not end within a character. */
static void drop_partial_character(char *text, size_t size) {
    size_t length = strlen(text);
    if (length + 1 < size) {
        return;
    }
    while (length > 0 && ((unsigned char)text[length - 1] & 0xC0) == 0x80) {
        length--;
    }
    text[length > 0 ? length - 1 : 0] = '\0';
}

#define CALL(handle, function, ...) \
    noted(handle, call_bridge(last_error.message, sizeof last_error.message, function, __VA_ARGS__))

static bool noted(const Handle *handle, bool done) {
    last_error.handle = handle;
    if (done) {
        last_error.message[0] = '\0';
    } else {
        drop_partial_character(last_error.message, sizeof last_error.message);
    }
    return done;
}

static bool refused(const Handle *handle, const char *message) {
    strcpy(last_error.message, message); /* literals of this file, all shorter */
    return noted(handle, false);
}

static const char no_handle[] = "the handle is NULL: call dpxl_coreai_upperbodyseg_naver_create first";

Handle *dpxl_coreai_upperbodyseg_naver_create(void) {
    return dpxl_coreai_upperbodyseg_naver_create_with_options(NULL);
}

Handle *dpxl_coreai_upperbodyseg_naver_create_with_options(const char *options) {
    uint64_t handle = 0;
    CALL(NULL, BRIDGE_CREATE, "(yK)", options == NULL ? "" : options, number(&handle));
    return (Handle *)(uintptr_t)handle;
}

void dpxl_coreai_upperbodyseg_naver_destroy(Handle *handle) {
    if (handle != NULL) {
        CALL(handle, BRIDGE_DESTROY, "(K)", number(handle));
    }
}

bool dpxl_coreai_upperbodyseg_naver_initialize(Handle *handle) {
    if (handle == NULL) {
        return refused(handle, no_handle);
    }
    return CALL(handle, BRIDGE_INITIALIZE, "(K)", number(handle));
}

bool dpxl_coreai_upperbodyseg_naver_is_initialized(Handle *handle) {
    char ignored[1024];
    return handle != NULL && call_bridge(ignored, sizeof ignored, BRIDGE_IS_INITIALIZED, "(K)", number(handle));
}

bool dpxl_coreai_upperbodyseg_naver_process(Handle *handle, const DpxlFrameInput *data, double blurSigma,
                                            Output *output) {
    if (output == NULL) {
        return refused(handle, "output is NULL: pass the address of a DpxlCoreAIUpperBodySegmentationOutput");
    }
    memset(output, 0, sizeof *output);
    if (data == NULL) {
        return refused(handle, "the frame is NULL: pass the address of a DpxlFrameInput");
    }
    output->timestamp = data->timestamp;
    if (handle == NULL) {
        return refused(handle, no_handle);
    }
    return CALL(handle, BRIDGE_PROCESS, "(KKdK)", number(handle), number(data), blurSigma, number(output));
}

const char *dpxl_coreai_upperbodyseg_naver_last_error(const Handle *handle) {
    return handle == NULL || handle == last_error.handle ? last_error.message : "";
}

const char *dpxl_coreai_upperbodyseg_naver_version(void) { return BUILD_VERSION; }
