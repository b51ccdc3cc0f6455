#ifndef HUMANX_IMAGE_BUFFER_HPP
#define HUMANX_IMAGE_BUFFER_HPP

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "image_buffer_c.h"

namespace xyz {
namespace deepixel {

/// A picture in memory: a view of somebody's bytes, or bytes of its own.
struct ImageBuffer {
    std::int32_t width = 0;     ///< pixels a row
    std::int32_t height = 0;    ///< rows
    std::int32_t step = 0;      ///< bytes from one row to the next
    std::int32_t channels = 0;  ///< bytes a pixel
    const std::uint8_t* data = nullptr;
    std::size_t dataSize = 0;
    bool ownsData = false;
    std::vector<std::uint8_t> ownedData;  ///< holds the bytes when ownsData is true

    ImageBuffer() = default;
    ~ImageBuffer() = default;

    /// A copy of an owned buffer has bytes of its own; a copy of a view sees the same memory.
    ImageBuffer(const ImageBuffer& other)
        : width(other.width), height(other.height), step(other.step), channels(other.channels),
          data(other.data), dataSize(other.dataSize), ownsData(other.ownsData), ownedData(other.ownedData) {
        pointAtOwned();
    }

    ImageBuffer(ImageBuffer&& other) noexcept
        : width(other.width), height(other.height), step(other.step), channels(other.channels),
          data(other.data), dataSize(other.dataSize), ownsData(other.ownsData),
          ownedData(std::move(other.ownedData)) {
        pointAtOwned();
        other.clear();
    }

    ImageBuffer& operator=(const ImageBuffer& other) {
        if (this != &other) {
            *this = ImageBuffer(other);
        }
        return *this;
    }

    ImageBuffer& operator=(ImageBuffer&& other) noexcept {
        if (this != &other) {
            width = other.width;
            height = other.height;
            step = other.step;
            channels = other.channels;
            data = other.data;
            dataSize = other.dataSize;
            ownsData = other.ownsData;
            ownedData = std::move(other.ownedData);
            pointAtOwned();
            other.clear();
        }
        return *this;
    }

    /// Keeps a copy of the bytes. Width, height, step and channels stay as they are.
    void setOwnedCopy(const std::uint8_t* srcData, std::size_t srcSize) {
        std::vector<std::uint8_t> bytes;
        if (srcData != nullptr) {
            bytes.assign(srcData, srcData + srcSize);
        }
        setOwnedMove(std::move(bytes));
    }

    /// Takes the bytes over without a copy.
    void setOwnedMove(std::vector<std::uint8_t>&& srcData) {
        ownedData = std::move(srcData);
        ownsData = true;
        pointAtOwned();
    }

    /// Uses the caller's memory, which must outlive the buffer.
    void setView(const std::uint8_t* srcData, std::size_t srcSize) {
        ownedData.clear();
        ownsData = false;
        data = srcData;
        dataSize = srcData == nullptr ? 0 : srcSize;
    }

    /// Whether there is no picture in the buffer.
    bool empty() const { return data == nullptr || dataSize == 0 || width <= 0 || height <= 0; }

    /// Lets go of the bytes; all fields are 0 afterwards.
    void clear() noexcept {
        width = height = step = channels = 0;
        data = nullptr;
        dataSize = 0;
        ownsData = false;
        std::vector<std::uint8_t>().swap(ownedData);
    }

private:
    void pointAtOwned() noexcept {
        if (ownsData) {
            data = ownedData.empty() ? nullptr : ownedData.data();
            dataSize = ownedData.size();
        }
    }
};

/// A C++ buffer from a C one: a view of its memory, or with copyData a copy of it.
inline ImageBuffer fromCImageBuffer(const DpxlImageBuffer& src, bool copyData = false) {
    ImageBuffer buffer;
    buffer.width = src.width;
    buffer.height = src.height;
    buffer.step = src.step;
    buffer.channels = src.channels;
    if (copyData) {
        buffer.setOwnedCopy(src.data, src.dataSize);
    } else {
        buffer.setView(src.data, src.dataSize);
    }
    return buffer;
}

/// A C view of a C++ buffer, which must outlive it; ownsData is 0.
inline DpxlImageBuffer toCImageBuffer(const ImageBuffer& src) {
    DpxlImageBuffer buffer;
    buffer.width = src.width;
    buffer.height = src.height;
    buffer.step = src.step;
    buffer.channels = src.channels;
    buffer.data = src.data;
    buffer.dataSize = src.dataSize;
    buffer.ownsData = 0;
    return buffer;
}

}  // namespace deepixel
}  // namespace xyz

#endif
