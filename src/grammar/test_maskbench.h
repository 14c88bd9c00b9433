#pragma once
// MaskBench (guidance-ai/jsonschemabench, folder data of maskbench): FATHOM_MASKBENCH names it; it
// is too large to stand here.
#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "io/json.h"

namespace fathom::grammar {

/// Processor time of this thread: other programs do not count.
inline double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

/// As Python's json.dumps writes it.
inline std::string python_text(const io::JsonValue& value) {
  std::string text;
  if (value.is_array()) {
    for (const io::JsonValue& item : value.as_array()) {
      text += (text.empty() ? "" : ", ") + python_text(item);
    }
    return "[" + text + "]";
  }
  if (!value.is_object()) return io::write_json(value);
  for (const auto& [name, member] : value.as_object()) {
    text += (text.empty() ? "" : ", ") + io::write_json(io::JsonValue(name)) + ": " +
            python_text(member);
  }
  return "{" + text + "}";
}

/// Its files in the order of their names, every FATHOM_MASKBENCH_STRIDE-th; none if it is not
/// there.
inline std::vector<std::filesystem::path> maskbench_files() {
  const char* folder = std::getenv("FATHOM_MASKBENCH");
  if (folder == nullptr) return {};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  const char* stride = std::getenv("FATHOM_MASKBENCH_STRIDE");
  const size_t every = stride == nullptr ? 1 : static_cast<size_t>(std::max(1, std::atoi(stride)));
  std::vector<std::filesystem::path> some;
  for (size_t i = 0; i < files.size(); i += every) some.push_back(files[i]);
  return some;
}

}  // namespace fathom::grammar
