#ifndef HUMANX_NAVER_C_H
#define HUMANX_NAVER_C_H

#include "frame_input_c.h"
#include "humanx_coreai_naver_c.h"
#include "humanx_export.h"
#include "image_buffer_c.h"
#include "image_type_c.h"
#include "upper_body_segmentation_types_c.h"

#endif
