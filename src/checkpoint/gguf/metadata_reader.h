#pragma once
// Internal to checkpoint/gguf: reads `ARCHITECTURE.key` values and collects what is wrong.
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "io/gguf/metadata.h"

namespace fathom::checkpoint {

class MetadataReader {
 public:
  MetadataReader(const io::gguf::Metadata& metadata, std::string architecture)
      : metadata_(metadata), architecture_(std::move(architecture)) {}

  bool has(std::string_view key) const { return metadata_.has(full(key)); }
  /// A key that must be there; 0 and a problem if it is not, or not of this type.
  i64 integer(std::string_view key) { return take(metadata_.integer(full(key)), i64{0}); }
  double number(std::string_view key) { return take(metadata_.number(full(key)), 0.0); }
  /// A key that may be absent.
  i64 integer_or(std::string_view key, i64 fallback) { return has(key) ? integer(key) : fallback; }
  double number_or(std::string_view key, double fallback) {
    return has(key) ? number(key) : fallback;
  }
  bool boolean_or(std::string_view key, bool fallback) {
    return has(key) ? take(metadata_.boolean(full(key)), fallback) : fallback;
  }
  std::string string_or(std::string_view key, std::string_view fallback) {
    return std::string(has(key) ? take(metadata_.string(full(key)), fallback) : fallback);
  }
  /// One integer, or an array that says it once for each layer.
  i64 integer_of_all_layers(std::string_view key) {
    const std::string name = full(key);
    const io::gguf::Value* value = metadata_.find(name);
    if (value == nullptr || value->type != io::gguf::ValueType::kArray) return integer(key);
    const std::vector<i64> values = take(metadata_.integers(name), std::vector<i64>{});
    for (const i64 layer_value : values) {
      if (layer_value != values.front()) {
        unsupported(key, "differs from layer to layer, expected one value");
        break;
      }
    }
    if (values.empty()) unsupported(key, "is an empty array, expected one value");
    return values.empty() ? 0 : values.front();
  }

  void unsupported(std::string_view key, std::string_view problem) {
    problems_.emplace_back(ErrorCode::kUnsupported,
                           fmt::format("{}: {} {}", metadata_.file_name(), full(key), problem));
  }

  bool ok() const { return problems_.empty(); }
  /// All problems as one; must not be ok().
  Error error() const {
    std::string text;
    for (const Error& problem : problems_) text += (text.empty() ? "" : "\n") + problem.message();
    return Error(problems_.front().code(), std::move(text));
  }

 private:
  std::string full(std::string_view key) const { return fmt::format("{}.{}", architecture_, key); }
  template <typename T>
  T take(Result<T> value, T fallback) {
    if (value) return *std::move(value);
    problems_.push_back(std::move(value.error()));
    return fallback;
  }

  const io::gguf::Metadata& metadata_;
  std::string architecture_;
  std::vector<Error> problems_;
};

}  // namespace fathom::checkpoint
