// safetensors: a file either gets an error, or tensors that lie inside its bytes, cover them, and
// make the same file again when their header is written. The input is read as a whole file and, so
// that the fuzzer need not guess a length, as the bare header of a file with 27 bytes of data.
#include <numeric>

#include "base/check.h"
#include "io/safetensors.h"
#include "io/safetensors_header.h"

namespace fathom::io {
namespace {

std::span<const u8> bytes_of(std::string_view text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

/// The file of these tensors as fathom's writer lays it out.
std::string rewritten(const SafetensorsFile& file) {
  Header header{.entries = {}, .metadata = file.metadata()};
  std::string data;
  for (const StoredTensor& tensor : file.tensors()) {
    const auto begin = static_cast<i64>(data.size());
    data.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    header.entries.push_back({.name = tensor.name,
                              .dtype = tensor.dtype,
                              .shape = tensor.shape,
                              .begin = begin,
                              .end = static_cast<i64>(data.size())});
  }
  return write_header(header) + data;
}

void check_file(std::string_view input) {
  const auto file = SafetensorsFile::parse(bytes_of(input), "input");
  if (!file) {
    FATHOM_CHECK(file.error().message().starts_with("input: "), file.error().message());
    FATHOM_CHECK(file.error().message().size() < 2000, "a message of ",
                 file.error().message().size(), " bytes");
    return;
  }
  u64 sum = 0;
  for (const StoredTensor& tensor : file->tensors()) {
    sum = std::accumulate(tensor.bytes.begin(), tensor.bytes.end(), sum);  // reads every byte
    FATHOM_CHECK(file->find(tensor.name) == &tensor, "cannot find ", tensor.name);
    FATHOM_CHECK(
        tensor.elements() * dtype_bytes(tensor.dtype) == static_cast<i64>(tensor.bytes.size()),
        "size of ", tensor.name);
  }
  const std::string text = rewritten(*file);
  const auto again = SafetensorsFile::parse(bytes_of(text), "again");
  FATHOM_CHECK(again.has_value(), again ? "" : again.error().message());
  FATHOM_CHECK(rewritten(*again) == text, "not stable");
  FATHOM_CHECK(again->tensors().size() == file->tensors().size(), "lost tensors");
}

}  // namespace
}  // namespace fathom::io

extern "C" int LLVMFuzzerTestOneInput(const fathom::u8* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  fathom::io::check_file(input);
  std::string framed(8, '\0');
  for (size_t i = 0; i < 8; ++i) framed[i] = static_cast<char>(size >> (8 * i) & 0xff);
  fathom::io::check_file(framed.append(input).append(27, 'x'));
  return 0;
}
