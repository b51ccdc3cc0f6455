// MASKS OPTIONS (FILE WIDTH HEIGHT STRIDE TYPE IS_STILL)...: an engine, its frames in turn, their masks in a file.
#include <humanx/humanx_naver.hpp>

#include <type_traits>
#include <utility>
#include <vector>

#include "support.h"

using namespace xyz::deepixel;
using namespace xyz::deepixel::coreai;

static_assert(!std::is_copy_constructible<CoreAIUpperBodySegmentationNaver>::value, "not copyable");
static_assert(!std::is_copy_assignable<CoreAIUpperBodySegmentationNaver>::value, "not copyable");
static_assert(std::is_nothrow_move_constructible<CoreAIUpperBodySegmentationNaver>::value, "movable");
static_assert(std::is_nothrow_move_assignable<CoreAIUpperBodySegmentationNaver>::value, "movable");

int main(int count, char** arguments) {
    FILE* masks = std::fopen(arguments[1], "wb");
    CoreAIUpperBodySegmentationNaver first{std::string(arguments[2])};
    CHECK(!first.isInitialized());
    CHECK(first.initialize());
    CoreAIUpperBodySegmentationNaver engine(std::move(first));
    CHECK(engine.isInitialized() && !first.isInitialized());
    CHECK(!first.initialize() && !first.lastError().empty());

    std::vector<CoreAIUpperBodySegmentationOutput> outputs;
    for (int i = 3; i + 5 < count; i += 6) {
        const DpxlFrameInput given = frame_of(arguments + i);
        FrameInput in;
        in.timestamp = static_cast<unsigned int>(i);
        in.frame.width = given.width;
        in.frame.height = given.height;
        in.frame.step = given.stride;
        in.frame.setOwnedCopy(static_cast<const std::uint8_t*>(given.data), given.dataSize);
        in.imageType = static_cast<DP_IMAGE_TYPE>(given.imageType);
        in.isStill = given.isStill;
        std::free(const_cast<void*>(given.data));
        auto out = engine.process(in);
        CHECK(out.success && out.timestamp == in.timestamp && engine.lastError().empty());
        CHECK(out.segmentationMask.ownsData && !out.segmentationMask.empty());
        outputs.push_back(std::move(out));
    }
    CHECK(!engine.process(FrameInput(), 0.5).success && !engine.lastError().empty());
    engine = CoreAIUpperBodySegmentationNaver();  // the old one is destroyed; the masks are copies
    for (const CoreAIUpperBodySegmentationOutput& out : outputs) {
        write_mask(masks, out.segmentationMask.data, out.segmentationMask.dataSize);
    }
    std::fclose(masks);
    CHECK(!CoreAIUpperBodySegmentationNaver("model=none").initialize());
    return 0;
}
