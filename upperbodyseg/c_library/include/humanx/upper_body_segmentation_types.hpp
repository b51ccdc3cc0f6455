#ifndef HUMANX_UPPER_BODY_SEGMENTATION_TYPES_HPP
#define HUMANX_UPPER_BODY_SEGMENTATION_TYPES_HPP

#include "image_buffer.hpp"
#include "upper_body_segmentation_types_c.h"

namespace xyz {
namespace deepixel {

/// What became of one frame.
struct CoreAIUpperBodySegmentationOutput {
    unsigned int timestamp = 0;    ///< the frame's
    bool success = false;          ///< true: segmentationMask is valid
    ImageBuffer segmentationMask;  ///< one channel, the frame's size, owned: 255 person, 0 background
};

}  // namespace deepixel
}  // namespace xyz

#endif
