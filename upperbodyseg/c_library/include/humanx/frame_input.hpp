#ifndef HUMANX_FRAME_INPUT_HPP
#define HUMANX_FRAME_INPUT_HPP

#include "frame_input_c.h"
#include "image_buffer.hpp"
#include "image_type.hpp"

namespace xyz {
namespace deepixel {

/// One frame.
struct FrameInput {
    unsigned int timestamp = 0;  ///< handed through to the output; the unit is the caller's
    ImageBuffer frame;           ///< width, height, step and the bytes; channels follows from imageType
    DP_IMAGE_TYPE imageType = BGRA_8888;
    bool isStill = false;  ///< true: a picture by itself; false: the next frame of the engine's stream
};

}  // namespace deepixel
}  // namespace xyz

#endif
