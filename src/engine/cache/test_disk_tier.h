#pragma once
// For the tests of the cache's disk: a tier in a folder of its own, opened as after a restart.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "engine/cache/test_cache.h"
#include "testing/temp_dir.h"

namespace fathom::engine {

class DiskTierTest : public ::testing::Test {
 protected:
  void SetUp() override { log::set_level(log::Level::kError); }
  void TearDown() override { log::set_level(log::Level::kInfo); }

  DiskTierOptions options(const std::string& content = "weights A") const {
    return {.directory = dir_ / "pages", .max_bytes = i64{1} << 30, .content = content};
  }
  /// As after a restart, everything looked at.
  void open(const DiskTierOptions& options, i64 num_pages = 64) {
    disk_.reset();
    disk_.emplace(options, num_pages);
    disk_->tier.wait_idle();
  }
  void open() { open(options()); }
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> result;
    for (const auto& entry : std::filesystem::directory_iterator(dir_ / "pages")) {
      if (entry.path().extension() == ".page") result.push_back(entry.path());
    }
    return result;
  }
  i64 bytes_of_files() const {
    i64 bytes = 0;
    for (const std::filesystem::path& file : files())
      bytes += static_cast<i64>(std::filesystem::file_size(file));
    return bytes;
  }
  static void flip_byte(const std::filesystem::path& path, i64 offset_from_end) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-offset_from_end, std::ios::end);
    const int byte = file.get();
    file.seekp(-offset_from_end, std::ios::end);
    file.put(static_cast<char>(byte ^ 0x10));
  }

  testing::TempDir dir_;
  std::optional<CacheOnDisk> disk_;
};

}  // namespace fathom::engine
