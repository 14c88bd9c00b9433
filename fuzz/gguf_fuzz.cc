// GGUF: a file either gets one error that begins with its name, or tensors that lie inside its
// bytes, do not overlap, and dequantise; its config and tokenizer are read, or refused, likewise.
#include <string>
#include <vector>

#include "base/check.h"
#include "checkpoint/gguf/model_config.h"
#include "checkpoint/gguf/parameters.h"
#include "io/gguf/dequantize.h"
#include "io/gguf/file.h"
#include "tokenizer/gguf/gguf_tokenizer.h"
#include "tokenizer/tokenizer.h"

namespace fathom {
namespace {

constexpr i64 kMaxElements = 1 << 16;  // of a tensor that is dequantised here

void check_message(const Error& error) {
  FATHOM_CHECK(error.message().starts_with("input: "), error.message());
  FATHOM_CHECK(error.message().size() < 2000, "a message of ", error.message().size(), " bytes");
}

void check_tensors(const io::gguf::File& file, std::span<const u8> input) {
  for (const io::gguf::Tensor& tensor : file.tensors()) {
    FATHOM_CHECK(file.find(tensor.name) == &tensor, "cannot find a tensor");
    FATHOM_CHECK(tensor.bytes.data() >= input.data() &&
                     tensor.bytes.data() + tensor.bytes.size() <= input.data() + input.size(),
                 "outside the file");
    FATHOM_CHECK(tensor.rows() * tensor.row_bytes() == static_cast<i64>(tensor.bytes.size()),
                 to_string(tensor));
    if (tensor.elements() > kMaxElements) continue;
    std::vector<float> out(static_cast<size_t>(tensor.elements()));
    io::gguf::dequantize(tensor.type, tensor.bytes, out);
  }
}

void check_tokenizer(const io::gguf::Metadata& metadata) {
  auto spec = tokenizer::gguf_tokenizer_spec(metadata);
  if (!spec) return check_message(spec.error());
  const auto tokenizer = tokenizer::Tokenizer::from_spec(std::move(*spec), "input");
  if (!tokenizer) return;
  try {
    const std::string text = "a b\n1\xC3\xA9<|x|>";
    for (const i32 id : tokenizer->encode(text)) {
      FATHOM_CHECK(id >= 0 && id < tokenizer->vocab_size(), "id ", id);
    }
  } catch (const Error&) {  // a byte without a token
  }
}

}  // namespace
}  // namespace fathom

extern "C" int LLVMFuzzerTestOneInput(const fathom::u8* data, size_t size) {
  using namespace fathom;
  const std::span<const u8> input(data, size);
  const auto file = io::gguf::File::parse(input, "input");
  if (!file) {
    check_message(file.error());
    return 0;
  }
  check_tensors(*file, input);
  for (const std::string_view key : file->metadata().keys()) {
    FATHOM_CHECK(to_string(*file->metadata().find(key)).size() < 200, "a long value");
  }
  check_tokenizer(file->metadata());
  if (const auto config = checkpoint::gguf_model_config(*file)) {
    static_cast<void>(checkpoint::gguf_parameters(*config, *file));
  }
  return 0;
}
