/* FILE WIDTH HEIGHT STRIDE TYPE IS_STILL: every mistake is refused with a message, and does no harm. */
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stddef.h>

#include "support.h"

typedef DpxlCoreAIUpperBodySegmentationNaver Handle;
typedef DpxlCoreAIUpperBodySegmentationOutput Output;

#define create dpxl_coreai_upperbodyseg_naver_create
#define create_with_options dpxl_coreai_upperbodyseg_naver_create_with_options
#define destroy dpxl_coreai_upperbodyseg_naver_destroy
#define initialize dpxl_coreai_upperbodyseg_naver_initialize
#define is_initialized dpxl_coreai_upperbodyseg_naver_is_initialized
#define process dpxl_coreai_upperbodyseg_naver_process
#define last_error dpxl_coreai_upperbodyseg_naver_last_error

static const int signals[] = {
    SIGINT, SIGTERM, SIGSEGV, SIGFPE,
#if defined(SIGPIPE)
    SIGPIPE,
#endif
};
enum { SIGNALS = sizeof signals / sizeof *signals };

typedef void (*Handler)(int);

static Handler handler(int number) {
    Handler now = signal(number, SIG_DFL);
    signal(number, now);
    return now;
}

static void refuse(Handle *handle, const DpxlFrameInput *frame, double sigma, const char *word) {
    Output output;
    memset(&output, 0xA5, sizeof output);
    CHECK(!process(handle, frame, sigma, &output));
    CHECK(!output.success && output.segmentationMask.data == NULL && output.segmentationMask.dataSize == 0);
    CHECK(output.timestamp == (frame == NULL ? 0 : frame->timestamp));
    CHECK(strstr(last_error(NULL), word) != NULL);
    CHECK(handle == NULL || strcmp(last_error(handle), last_error(NULL)) == 0);
}

static void accept(Handle *handle, const DpxlFrameInput *frame) {
    Output output;
    CHECK(process(handle, frame, 0.5, &output));
    CHECK(output.success && output.segmentationMask.data != NULL);
    CHECK(last_error(handle)[0] == '\0' && last_error(NULL)[0] == '\0');
}

int main(int count, char **arguments) {
    CHECK(count == 7);
    CHECK(sizeof(DpxlImageBuffer) == 24 + 2 * sizeof(void *) && offsetof(DpxlImageBuffer, data) == 16);
    CHECK(offsetof(DpxlFrameInput, imageType) == 3 * sizeof(void *) + 12);
    CHECK(offsetof(DpxlFrameInput, isStill) == 3 * sizeof(void *) + 16);
    CHECK(offsetof(Output, success) == 4 && offsetof(Output, segmentationMask) == 8);
    CHECK(last_error(NULL)[0] == '\0' && dpxl_coreai_upperbodyseg_naver_version()[0] != '\0');

    Handler handlers[SIGNALS];
    for (size_t i = 0; i < SIGNALS; i++) {
        handlers[i] = handler(signals[i]);
    }
    DpxlFrameInput frame = frame_of(arguments + 1);
    frame.timestamp = 7;
    frame.dataSize = (size_t)frame.stride * (size_t)(frame.height - 1) + 4 * (size_t)frame.width; /* not one more */
    Output output;

    /* Before anything was created. */
    destroy(NULL);
    CHECK(!initialize(NULL) && strstr(last_error(NULL), "NULL") != NULL);
    CHECK(!is_initialized(NULL));
    refuse(NULL, &frame, 0.5, "NULL");
    int number = 0;
    Handle *invented = (Handle *)&number;
    destroy(invented);
    CHECK(strstr(last_error(invented), "no handle") != NULL);
    CHECK(!initialize(invented) && !is_initialized(invented));
    refuse(invented, &frame, 0.5, "no handle");

    /* Options. */
    CHECK(create_with_options("model=huge") == NULL && strstr(last_error(NULL), "accurate") != NULL);
    CHECK(create_with_options("colour=red") == NULL && strstr(last_error(NULL), "colour") != NULL);
    CHECK(create_with_options("num_threads") == NULL);
    CHECK(create_with_options("num_threads=2;num_threads=3") == NULL && strstr(last_error(NULL), "twice") != NULL);
    CHECK(create_with_options("num_threads=two") == NULL && create_with_options("num_threads=0") == NULL);
    CHECK(create_with_options("model=\xff\xfe") == NULL && last_error(NULL)[0] != '\0');
    Handle *lost = create_with_options("models_dir=/does/not/exist");
    CHECK(lost != NULL && !initialize(lost) && strstr(last_error(lost), "/does/not/exist") != NULL);
    CHECK(!is_initialized(lost) && strstr(last_error(lost), "/does/not/exist") != NULL);
    destroy(lost);

    /* Order of calls. */
    Handle *handle = create_with_options("model=fast; num_threads = 1\nrefine=none;temporal_smoothing=true;");
    Handle *other = create_with_options("model=fast");
    CHECK(handle != NULL && other != NULL && handle != other);
    refuse(handle, &frame, 0.5, "initialize");
    CHECK(last_error(other)[0] == '\0');
    CHECK(initialize(handle) && initialize(handle) && initialize(other));

    /* Frames. */
    refuse(handle, NULL, 0.5, "frame");
    CHECK(!process(handle, &frame, 0.5, NULL) && strstr(last_error(handle), "output") != NULL);
    DpxlFrameInput bad;
#define BAD(word, ...)                     \
    do {                                   \
        bad = frame;                       \
        __VA_ARGS__;                       \
        refuse(handle, &bad, 0.5, word);   \
        accept(handle, &frame);            \
    } while (0)
    BAD("null", bad.data = NULL);
    BAD("", bad.data = NULL; bad.dataSize = 0);
    BAD("", memset(&bad, 0, sizeof bad));
    BAD("bytes", bad.dataSize = 0);
    BAD("bytes", bad.dataSize--);
    BAD("dataSize", bad.dataSize = SIZE_MAX);
    BAD("width", bad.width = 0);
    BAD("width", bad.width = -frame.width);
    BAD("", bad.width = INT32_MAX; bad.stride = INT32_MAX);
    BAD("height", bad.height = 0);
    BAD("height", bad.height = INT32_MIN);
    BAD("bytes", bad.height++);
    BAD("bytes", bad.height = INT32_MAX);
    BAD("step", bad.stride = -1);
    BAD("step", bad.stride = 4 * frame.width - 1);
    BAD("bytes", bad.stride++);
    BAD("image_type", bad.imageType = (DpxlImageType)7);
    BAD("image_type", bad.imageType = (DpxlImageType)-1);
    refuse(handle, &frame, NAN, "blur_sigma");
    refuse(handle, &frame, INFINITY, "blur_sigma");
    refuse(handle, &frame, -0.5, "blur_sigma");
    accept(handle, &frame);

    /* A mask lives until the next process or destroy of its handle, whatever becomes of others. */
    DpxlFrameInput still = frame; /* the same frame gives the same mask */
    still.isStill = true;
    CHECK(process(handle, &still, 0.5, &output));
    size_t size = output.segmentationMask.dataSize;
    uint8_t *kept = malloc(size);
    CHECK(kept != NULL);
    memcpy(kept, output.segmentationMask.data, size);
    accept(other, &frame);
    refuse(other, NULL, 0.5, "frame");
    CHECK(last_error(handle)[0] == '\0');
    destroy(other);
    CHECK(memcmp(kept, output.segmentationMask.data, size) == 0);

    /* After destroy. */
    destroy(other);
    CHECK(strstr(last_error(other), "destroyed") != NULL);
    CHECK(!initialize(other) && !is_initialized(other));
    refuse(other, &frame, 0.5, "destroyed");
    Handle *later = create();
    CHECK(later != NULL && later != other && later != handle);
    refuse(other, &frame, 0.5, "destroyed");
    destroy(later);
    CHECK(process(handle, &still, 0.5, &output) && memcmp(kept, output.segmentationMask.data, size) == 0);
    destroy(handle);
    destroy(handle);
    refuse(handle, &frame, 0.5, "destroyed");

    /* The process is as it was. */
    CHECK(strcmp(setlocale(LC_ALL, NULL), "C") == 0);
    for (size_t i = 0; i < SIGNALS; i++) {
        CHECK(handler(signals[i]) == handlers[i]);
    }
    free(kept);
    free((void *)frame.data);
    return 0;
}
