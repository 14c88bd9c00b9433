// A tokenizer.json, and after the first NUL a text. A file that loads must give back every text it
// encodes, must keep control tokens out of plain text, and must survive being saved.
#include <string>
#include <string_view>

#include "base/check.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode/utf8.h"

using namespace fathom;
using namespace fathom::tokenizer;

namespace {

void check_text(const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<i32> markup = tokenizer.encode(text);
  const std::vector<i32> plain = tokenizer.encode(text, {.text = TextKind::kPlain});
  for (const i32 id : plain) FATHOM_CHECK(!tokenizer.is_control(id), "control token ", id);
  for (const std::vector<i32>* ids : {&markup, &plain}) {
    StreamDecoder decoder(tokenizer);
    std::string streamed;
    for (const i32 id : *ids) streamed += decoder.push(id);
    streamed += decoder.finish();
    FATHOM_CHECK(streamed == tokenizer.decode(*ids), "streamed text differs");
  }
  const std::string json = write_tokenizer_json(tokenizer.spec());
  Result<TokenizerSpec> again = parse_tokenizer_json(json, "saved");
  FATHOM_CHECK(again.has_value(), "saved file is refused: ", json);
  const Tokenizer copy = value_or_throw(Tokenizer::from_spec(std::move(*again), "saved"));
  FATHOM_CHECK(copy.encode(text) == markup, "saved tokenizer answers otherwise");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t nul = input.find('\0');
  const std::string_view json = input.substr(0, nul);
  Result<TokenizerSpec> spec = parse_tokenizer_json(json, "tokenizer.json");
  if (!spec) return 0;
  const Result<Tokenizer> tokenizer = Tokenizer::from_spec(std::move(*spec), "tokenizer.json");
  if (!tokenizer) return 0;
  try {
    check_text(*tokenizer, nul == std::string_view::npos ? json : input.substr(nul + 1));
  } catch (const Error& error) {
    // A foreign pattern may need more steps than it is allowed, and a vocabulary may lack a byte.
    const bool lacks_byte =
        std::string_view(error.message()).find("has no token") != std::string::npos;
    FATHOM_CHECK(error.code() == ErrorCode::kUnsupported || lacks_byte, error.message());
  }
  return 0;
}
