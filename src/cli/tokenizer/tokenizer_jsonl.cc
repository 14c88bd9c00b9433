#include "cli/tokenizer/tokenizer_jsonl.h"

#include <fmt/format.h>

#include <charconv>
#include <iostream>
#include <string>

#include "base/error.h"
#include "cli/output.h"
#include "io/json.h"

namespace fathom::cli {
namespace {

/// Calls answer(object, where) for each line of stdin and prints what it returns.
template <typename Answer>
void for_each_line(Answer answer) {
  i64 number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    const std::string where = fmt::format("stdin line {}", ++number);
    const io::JsonValue value = value_or_throw(io::parse_json(line, where));
    out::print("{}\n", io::write_json(answer(value, where)));
    out::flush();  // whoever wrote the line may wait for its answer
  }
}

std::string bytes_of_hex(const std::string& hex, const std::string& where) {
  std::string bytes;
  for (size_t pos = 0; pos < hex.size(); pos += 2) {
    u8 byte = 0;
    const char* const begin = hex.data() + pos;
    const auto [end, status] =
        std::from_chars(begin, hex.data() + std::min(pos + 2, hex.size()), byte, 16);
    if (status != std::errc() || end != begin + 2) {
      throw Error(ErrorCode::kInvalidInput, where + ": hex: expected pairs of hexadecimal digits");
    }
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

}  // namespace

void encode_json_lines(const tokenizer::Tokenizer& tokenizer, tokenizer::EncodeOptions options) {
  for_each_line([&](const io::JsonValue& line, const std::string& where) {
    const bool is_hex = line.find("hex") != nullptr;
    std::string text = value_or_throw(io::get_string(line, is_hex ? "hex" : "text", where));
    if (is_hex) text = bytes_of_hex(text, where);
    const std::vector<i32> ids = tokenizer.encode(text, options);
    io::JsonObject answer;
    answer.set("ids", io::JsonArray(ids.begin(), ids.end()));
    return io::JsonValue(std::move(answer));
  });
}

void decode_json_lines(const tokenizer::Tokenizer& tokenizer, tokenizer::SpecialTokens special) {
  for_each_line([&](const io::JsonValue& line, const std::string& where) {
    std::vector<i32> ids;
    for (const io::JsonValue& id : *value_or_throw(io::get_array(line, "ids", where))) {
      const bool is_token =
          id.is_integer() && id.as_integer() >= 0 && id.as_integer() < tokenizer.vocab_size();
      if (!is_token) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("{}: ids: expected 0 to {}, found {}", where,
                                tokenizer.vocab_size() - 1, io::describe(id)));
      }
      ids.push_back(static_cast<i32>(id.as_integer()));
    }
    io::JsonObject answer;
    answer.set("text", tokenizer.decode(ids, special));
    return io::JsonValue(std::move(answer));
  });
}

}  // namespace fathom::cli
