#pragma once
// Helpers of plan's tests: golden files of numbers and words, shipped clusters and models.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "config/model/model_config.h"
#include "plan/machine/cluster.h"

namespace fathom::plan {

inline std::string repository_file(const std::string& name) {
  return std::string(FATHOM_SOURCE_DIR) + "/" + name;
}

inline std::string read_text(const std::string& name) {
  std::ifstream file(repository_file(name));
  EXPECT_TRUE(file.good()) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Lines without those that begin with '#'.
inline std::vector<std::string> golden_lines(const std::string& name) {
  std::istringstream text(read_text("tests/golden/plan/" + name));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (!line.starts_with('#')) lines.push_back(line);
  }
  EXPECT_FALSE(lines.empty()) << name;
  return lines;
}

template <typename T>
std::vector<T> values_of(const std::string& line) {
  std::istringstream text(line);
  std::vector<T> values;
  for (T value; text >> value;) values.push_back(value);
  return values;
}

inline Cluster shipped_cluster(const std::string& name,
                               const std::vector<std::string>& edits = {}) {
  const std::string file = "configs/clusters/" + name + ".toml";
  return value_or_throw(parse_cluster(read_text(file), file, edits));
}

inline ModelConfig shipped_model(const std::string& name) {
  return value_or_throw(load_model_config(repository_file("configs/models/" + name + ".json")));
}

}  // namespace fathom::plan
