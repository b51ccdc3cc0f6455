#ifndef HUMANX_COREAI_UPPER_BODY_SEGMENTATION_NAVER_HPP
#define HUMANX_COREAI_UPPER_BODY_SEGMENTATION_NAVER_HPP

#include <exception>
#include <string>

#include "../frame_input.hpp"
#include "../upper_body_segmentation_types.hpp"
#include "coreai_upper_body_segmentation_naver_c.h"

namespace xyz {
namespace deepixel {
namespace coreai {

using deepixel::CoreAIUpperBodySegmentationOutput;

/// An engine: frames in, masks out. Use one per stream. Movable, not copyable.
class CoreAIUpperBodySegmentationNaver {
public:
    CoreAIUpperBodySegmentationNaver() noexcept : handle_(dpxl_coreai_upperbodyseg_naver_create()) {}

    /// Beyond the original: options as for dpxl_coreai_upperbodyseg_naver_create_with_options.
    explicit CoreAIUpperBodySegmentationNaver(const std::string& options) noexcept
        : handle_(dpxl_coreai_upperbodyseg_naver_create_with_options(options.c_str())) {}

    ~CoreAIUpperBodySegmentationNaver() { release(); }

    CoreAIUpperBodySegmentationNaver(const CoreAIUpperBodySegmentationNaver&) = delete;
    CoreAIUpperBodySegmentationNaver& operator=(const CoreAIUpperBodySegmentationNaver&) = delete;

    CoreAIUpperBodySegmentationNaver(CoreAIUpperBodySegmentationNaver&& other) noexcept
        : handle_(other.handle_) {
        other.handle_ = nullptr;
    }

    CoreAIUpperBodySegmentationNaver& operator=(CoreAIUpperBodySegmentationNaver&& other) noexcept {
        if (this != &other) {
            release();
            handle_ = other.handle_;
            other.handle_ = nullptr;
        }
        return *this;
    }

    /// Loads the models. False: see lastError().
    bool initialize() noexcept { return dpxl_coreai_upperbodyseg_naver_initialize(handle_); }

    /// Whether process() can be called.
    bool isInitialized() const noexcept { return dpxl_coreai_upperbodyseg_naver_is_initialized(handle_); }

    /// Segments one frame. On failure success is false and the mask is empty: see lastError().
    CoreAIUpperBodySegmentationOutput process(const FrameInput& in, double blurSigma = 0.5) noexcept {
        DpxlFrameInput frame = DpxlFrameInput();
        frame.timestamp = in.timestamp;
        frame.data = in.frame.data;
        frame.dataSize = in.frame.dataSize;
        frame.width = in.frame.width;
        frame.height = in.frame.height;
        frame.stride = in.frame.step;
        frame.imageType = static_cast<DpxlImageType>(in.imageType);
        frame.isStill = in.isStill;
        DpxlCoreAIUpperBodySegmentationOutput found = DpxlCoreAIUpperBodySegmentationOutput();
        CoreAIUpperBodySegmentationOutput output;
        output.timestamp = in.timestamp;
        if (dpxl_coreai_upperbodyseg_naver_process(handle_, &frame, blurSigma, &found)) {
            try {
                output.segmentationMask = fromCImageBuffer(found.segmentationMask, true);
                output.success = true;
            } catch (const std::exception&) {
                output.segmentationMask.clear();  // no memory for the copy
            }
        }
        return output;
    }

    /// Beyond the original: why this thread's last call with this engine failed; empty when it did not.
    std::string lastError() const { return dpxl_coreai_upperbodyseg_naver_last_error(handle_); }

private:
    void release() noexcept {
        if (handle_ != nullptr) {
            dpxl_coreai_upperbodyseg_naver_destroy(handle_);
        }
    }

    DpxlCoreAIUpperBodySegmentationNaver* handle_;
};

}  // namespace coreai
}  // namespace deepixel
}  // namespace xyz

#endif
