#ifndef HUMANX_COREAI_NAVER_C_H
#define HUMANX_COREAI_NAVER_C_H

#include "coreai/coreai_upper_body_segmentation_naver_c.h"

#endif
