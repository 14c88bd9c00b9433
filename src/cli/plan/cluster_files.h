#pragma once
// The machine files of configs/clusters, embedded by the build, so that --cluster h800 works
// anywhere.
#include <string_view>

namespace fathom::cli {

extern const std::string_view kH800Toml;
extern const std::string_view kH100Toml;
extern const std::string_view kH200Toml;
extern const std::string_view kH20Toml;
extern const std::string_view kB200Toml;
extern const std::string_view kGb200Toml;
extern const std::string_view kGb300Toml;
extern const std::string_view kZen4Toml;

}  // namespace fathom::cli
