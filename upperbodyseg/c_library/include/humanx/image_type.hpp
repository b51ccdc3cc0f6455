#ifndef HUMANX_IMAGE_TYPE_HPP
#define HUMANX_IMAGE_TYPE_HPP

#include <cstdint>

#include "image_type_c.h"

namespace xyz {
namespace deepixel {

/// How the bytes of a frame are laid out; the numbers are those of DpxlImageType.
enum DP_IMAGE_TYPE : std::int32_t {
    BGR_888 = DPXL_IMAGE_TYPE_BGR_888,
    RGB_888 = DPXL_IMAGE_TYPE_RGB_888,
    YUV_420_888 = DPXL_IMAGE_TYPE_YUV_420_888,
    RGBA_8888 = DPXL_IMAGE_TYPE_RGBA_8888,
    BGRA_8888 = DPXL_IMAGE_TYPE_BGRA_8888,
    // Beyond the original.
    NV12 = DPXL_IMAGE_TYPE_NV12,
    I420 = DPXL_IMAGE_TYPE_I420
};

}  // namespace deepixel
}  // namespace xyz

#endif
