#ifndef HUMANX_NAVER_HPP
#define HUMANX_NAVER_HPP

#include "frame_input.hpp"
#include "humanx_coreai_naver.hpp"
#include "humanx_export.h"
#include "image_buffer.hpp"
#include "image_type.hpp"
#include "upper_body_segmentation_types.hpp"

#endif
