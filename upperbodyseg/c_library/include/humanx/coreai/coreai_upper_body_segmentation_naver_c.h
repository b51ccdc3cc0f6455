#ifndef HUMANX_COREAI_UPPER_BODY_SEGMENTATION_NAVER_C_H
#define HUMANX_COREAI_UPPER_BODY_SEGMENTATION_NAVER_C_H

#include <stdbool.h>

#include "../frame_input_c.h"
#include "../humanx_export.h"
#include "../upper_body_segmentation_types_c.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * An engine. Use one handle per stream.
 *
 * Any number of threads may call these functions. Calls with the same handle wait for each other.
 * No function throws, exits or prints. A handle that create did not give, NULL included, is refused.
 * So is one that was destroyed: its number never comes back.
 */
typedef struct DpxlCoreAIUpperBodySegmentationNaver DpxlCoreAIUpperBodySegmentationNaver;

/* A new engine with default options. NULL: it failed, see last_error(NULL). The first call starts Python. */
HUMANX_EXPORT DpxlCoreAIUpperBodySegmentationNaver *dpxl_coreai_upperbodyseg_naver_create(void);

/* Frees the engine and its mask. Waits for a frame in progress. NULL and destroyed handles do nothing. */
HUMANX_EXPORT void dpxl_coreai_upperbodyseg_naver_destroy(DpxlCoreAIUpperBodySegmentationNaver *handle);

/* Loads the models. A second call does nothing. There is no licence key. */
HUMANX_EXPORT bool dpxl_coreai_upperbodyseg_naver_initialize(DpxlCoreAIUpperBodySegmentationNaver *handle);

/* Whether process can be called. Leaves last_error as it is. */
HUMANX_EXPORT bool dpxl_coreai_upperbodyseg_naver_is_initialized(DpxlCoreAIUpperBodySegmentationNaver *handle);

/*
 * Segments one frame.
 *
 * blurSigma: Gaussian blur of the mask in pixels, 0 for none; the original's default is 0.5.
 * output: always filled in. On failure success is false and the mask's data is NULL.
 *
 * The mask lives until the next process or destroy of this handle: copy it to keep it.
 */
HUMANX_EXPORT bool dpxl_coreai_upperbodyseg_naver_process(DpxlCoreAIUpperBodySegmentationNaver *handle,
                                                          const DpxlFrameInput *data, double blurSigma,
                                                          DpxlCoreAIUpperBodySegmentationOutput *output);

/* Beyond the original. */

/*
 * A new engine with options.
 *
 * options: "name=value" pairs of upperbodyseg.SegmenterOptions, separated by ';' or line breaks, in UTF-8.
 * For example "model=fast;num_threads=2". Values of true, false and none are those of Python. NULL: defaults.
 */
HUMANX_EXPORT DpxlCoreAIUpperBodySegmentationNaver *
dpxl_coreai_upperbodyseg_naver_create_with_options(const char *options);

/*
 * Why the last call failed, in UTF-8; "" when it did not fail. Never NULL.
 *
 * Every thread has one message: that of its last failed call. With a handle: the message if that call had this
 * handle. With NULL: the message whatever the handle was. A call that succeeds removes the message.
 * The memory lives until the thread's next call of this library.
 */
HUMANX_EXPORT const char *
dpxl_coreai_upperbodyseg_naver_last_error(const DpxlCoreAIUpperBodySegmentationNaver *handle);

/* The version that the library was built from, such as "0.1.0". Starts nothing. */
HUMANX_EXPORT const char *dpxl_coreai_upperbodyseg_naver_version(void);

#ifdef __cplusplus
}
#endif

#endif
