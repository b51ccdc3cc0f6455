// The C++ image buffer by itself; Python is not started.
#include <humanx/humanx_naver.hpp>

#include <utility>

#include "support.h"

using xyz::deepixel::DP_IMAGE_TYPE;
using xyz::deepixel::FrameInput;
using xyz::deepixel::ImageBuffer;

static_assert(DP_IMAGE_TYPE::BGR_888 == 0 && DP_IMAGE_TYPE::RGB_888 == 1 && DP_IMAGE_TYPE::YUV_420_888 == 2 &&
                  DP_IMAGE_TYPE::RGBA_8888 == 3 && DP_IMAGE_TYPE::BGRA_8888 == 4 && xyz::deepixel::I420 == 6,
              "the original's order");

static ImageBuffer owned() {
    const std::uint8_t bytes[] = {1, 2, 3, 4, 5, 6};
    ImageBuffer buffer;
    buffer.width = 3;
    buffer.height = 2;
    buffer.step = 3;
    buffer.channels = 1;
    buffer.setOwnedCopy(bytes, sizeof bytes);
    return buffer;
}

int main() {
    CHECK(FrameInput().imageType == xyz::deepixel::BGRA_8888 && !FrameInput().isStill);
    CHECK(ImageBuffer().empty());

    ImageBuffer buffer = owned();
    CHECK(!buffer.empty() && buffer.ownsData && buffer.dataSize == 6 && buffer.data == buffer.ownedData.data());

    ImageBuffer copy(buffer);
    CHECK(copy.data != buffer.data && copy.data == copy.ownedData.data() && copy.data[5] == 6);
    copy = copy;
    CHECK(copy.data[5] == 6);
    const std::uint8_t* before = copy.data;
    ImageBuffer moved(std::move(copy));
    CHECK(moved.data == before && copy.empty() && copy.data == nullptr && copy.width == 0);
    copy = std::move(moved);
    CHECK(copy.data == before && moved.empty());
    moved = copy;
    CHECK(moved.data != copy.data && moved.data[0] == 1);

    std::vector<std::uint8_t> bytes(6, 9);
    before = bytes.data();
    buffer.setOwnedMove(std::move(bytes));
    CHECK(buffer.data == before && buffer.dataSize == 6 && buffer.width == 3);

    ImageBuffer view;
    view.width = 3;
    view.height = 2;
    view.step = 3;
    view.channels = 1;
    view.setView(buffer.data, buffer.dataSize);
    CHECK(!view.ownsData && view.data == buffer.data && ImageBuffer(view).data == buffer.data);

    DpxlImageBuffer c = xyz::deepixel::toCImageBuffer(buffer);
    CHECK(c.data == buffer.data && c.width == 3 && c.height == 2 && c.step == 3 && c.channels == 1);
    CHECK(c.dataSize == 6 && c.ownsData == 0);
    CHECK(xyz::deepixel::fromCImageBuffer(c).data == c.data && !xyz::deepixel::fromCImageBuffer(c).ownsData);
    ImageBuffer back = xyz::deepixel::fromCImageBuffer(c, true);
    CHECK(back.data != c.data && back.ownsData && back.data[5] == 9 && back.step == 3);

    buffer.setOwnedCopy(buffer.data, buffer.dataSize);  // its own bytes
    CHECK(buffer.data[5] == 9);
    buffer.setOwnedCopy(nullptr, 5);
    CHECK(buffer.empty());
    back.clear();
    CHECK(back.empty() && back.width == 0 && back.step == 0 && !back.ownsData && back.ownedData.empty());
    return 0;
}
