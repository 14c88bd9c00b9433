#include "data/text/document_encoder.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/text/fim.h"
#include "io/text/json_line.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::data {
namespace {

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

}  // namespace

Result<MarkerIds> find_marker_ids(const DataConfig& config, const tokenizer::Tokenizer& tokenizer) {
  MarkerIds markers;
  std::string missing;
  const auto find = [&](std::string_view key, std::string_view spelling, i32& id) {
    if (const auto found = tokenizer.token_to_id(spelling)) {
      id = *found;
    } else {
      missing += fmt::format("\n  data.{}: the tokenizer has no token `{}`", key, spelling);
    }
  };
  if (!config.bos_token.empty()) find("bos_token", config.bos_token, markers.bos);
  if (!config.eos_token.empty()) find("eos_token", config.eos_token, markers.eos);
  if (config.fim_rate > 0) {
    find("fim_rate", kFimBegin, markers.fim_begin);
    find("fim_rate", kFimHole, markers.fim_hole);
    find("fim_rate", kFimEnd, markers.fim_end);
  }
  if (!missing.empty()) return invalid_input("tokens for the training text:" + missing);
  return markers;
}

DocumentEncoder::DocumentEncoder(const tokenizer::Tokenizer& tokenizer, EncodeConfig config)
    : tokenizer_(tokenizer), config_(std::move(config)) {
  if (config_.split_rate > 0) splitter_.emplace(tokenizer);
}

EncodedDocument DocumentEncoder::encode(const RawDocument& document, u64 number) const {
  EncodedDocument out;
  if (is_blank(document.bytes)) return out;
  if (!document.is_json) {
    encode_text(document.bytes, number, out);
    return out;
  }
  const auto line = io::text_of_json_line(document.bytes, config_.text_field);
  if (!line) {
    out.problem = line.error().message();
    return out;
  }
  if (is_blank(line->text)) return out;
  encode_text(line->text, number, out);
  if (line->num_defects > 0) {
    out.is_repaired = true;
    out.problem = line->defect + "; repaired";
  }
  return out;
}

void DocumentEncoder::encode_text(std::string_view raw, u64 number, EncodedDocument& out) const {
  std::string storage;
  const std::string_view text = tokenizer::valid_utf8(raw, storage);
  if (text.data() != raw.data()) {
    const size_t good = tokenizer::valid_utf8_prefix_bytes(raw);
    out.is_repaired = true;
    out.problem = fmt::format("byte {} is not UTF-8 (in line {} of the document); kept as U+FFFD",
                              good + 1, std::ranges::count(raw.substr(0, good), '\n') + 1);
  }
  out.text_bytes = std::ssize(text);
  const MarkerIds& markers = config_.markers;
  if (markers.bos >= 0) out.ids.push_back(markers.bos);
  if (const auto pieces = draw_fim(text, config_.fim_rate, config_.seed, number)) {
    out.is_fim = true;
    out.ids.push_back(markers.fim_begin);
    append(pieces->prefix, out.ids);
    out.ids.push_back(markers.fim_hole);
    append(pieces->suffix, out.ids);
    out.ids.push_back(markers.fim_end);
    append(pieces->middle, out.ids);
  } else {
    append(text, out.ids);
  }
  if (markers.eos >= 0) out.ids.push_back(markers.eos);
  if (splitter_) {
    out.split_tokens = splitter_->apply(out.ids, config_.split_rate, config_.seed, number);
  }
}

void DocumentEncoder::append(std::string_view text, std::vector<i32>& ids) const {
  tokenizer_.encode_to(text, {.text = tokenizer::TextKind::kPlain}, ids);
}

}  // namespace fathom::data
