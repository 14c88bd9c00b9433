#pragma once
// Where golden files lie; tests/golden/README.md says what each folder holds.
#include <filesystem>
#include <string>

namespace fathom::testing {

inline std::filesystem::path golden_directory(const std::string& name) {
  return std::filesystem::path(FATHOM_SOURCE_DIR) / "tests" / "golden" / name;
}

}  // namespace fathom::testing
