#ifndef HUMANX_COREAI_NAVER_HPP
#define HUMANX_COREAI_NAVER_HPP

#include "coreai/coreai_upper_body_segmentation_naver.hpp"

#endif
