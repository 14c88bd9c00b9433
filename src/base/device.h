#pragma once
#include "base/types.h"

namespace fathom {

/// Where a Buffer lives and where an op runs.
enum class Device : u8 { kCpu, kCuda };

constexpr const char* device_name(Device device) { return device == Device::kCpu ? "cpu" : "cuda"; }

}  // namespace fathom
