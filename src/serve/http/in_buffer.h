#pragma once
#include <string>
#include <string_view>

namespace fathom::serve::http {

/// Bytes that came and were not understood yet.
class InBuffer {
 public:
  void append(const char* data, size_t bytes) { bytes_.append(data, bytes); }
  std::string_view view() const { return std::string_view(bytes_).substr(begin_); }
  void consume(size_t bytes) {
    begin_ += bytes;
    if (begin_ < bytes_.size()) return;
    bytes_.clear();
    begin_ = 0;
  }
  void clear() { consume(bytes_.size() - begin_); }

 private:
  std::string bytes_;
  size_t begin_ = 0;
};

}  // namespace fathom::serve::http
