// TokenizerSpec -> tokenizer.json, in the layout that Hugging Face writes: one vocabulary entry and
// one merge a line.
#include <fmt/format.h>

#include <iterator>

#include "base/check.h"
#include "io/json.h"
#include "tokenizer/tokenizer_spec.h"

namespace fathom::tokenizer {
namespace {

std::string json_text(std::string_view text) { return io::write_json(io::JsonValue(text)); }

io::JsonValue byte_level_json(bool add_prefix_space, bool trim_offsets) {
  io::JsonObject value;
  value.set("type", "ByteLevel");
  value.set("add_prefix_space", add_prefix_space);
  value.set("trim_offsets", trim_offsets);
  value.set("use_regex", true);
  return value;
}

std::string_view spelling_of(const TokenizerSpec& spec, i32 id) {
  for (const AddedToken& token : spec.added_tokens) {
    if (token.id == id) return token.content;
  }
  FATHOM_CHECK(id >= 0 && static_cast<size_t>(id) < spec.vocab.size(), "no token has id ", id);
  return spec.vocab[static_cast<size_t>(id)];
}

io::JsonValue template_token(std::string_view spelling, i64 type_id) {
  io::JsonObject token;
  token.set("id", spelling);
  token.set("type_id", type_id);
  io::JsonObject piece;
  piece.set("SpecialToken", std::move(token));
  return piece;
}

io::JsonValue template_sequence(std::string_view name, i64 type_id) {
  io::JsonObject sequence;
  sequence.set("id", name);
  sequence.set("type_id", type_id);
  io::JsonObject piece;
  piece.set("Sequence", std::move(sequence));
  return piece;
}

/// prefix NAME suffix, appended to `pieces`.
void append_template(const TokenizerSpec& spec, std::string_view name, i64 type_id,
                     io::JsonArray& pieces) {
  for (const i32 id : spec.prefix_ids) {
    pieces.push_back(template_token(spelling_of(spec, id), type_id));
  }
  pieces.push_back(template_sequence(name, type_id));
  for (const i32 id : spec.suffix_ids) {
    pieces.push_back(template_token(spelling_of(spec, id), type_id));
  }
}

io::JsonValue post_processor_json(const TokenizerSpec& spec) {
  io::JsonValue byte_level = byte_level_json(true, false);
  if (spec.prefix_ids.empty() && spec.suffix_ids.empty()) return byte_level;
  io::JsonObject special_tokens;
  for (const std::vector<i32>* ids : {&spec.prefix_ids, &spec.suffix_ids}) {
    for (const i32 id : *ids) {
      io::JsonObject token;
      token.set("id", spelling_of(spec, id));
      token.set("ids", io::JsonArray{io::JsonValue(id)});
      token.set("tokens", io::JsonArray{io::JsonValue(spelling_of(spec, id))});
      special_tokens.set(std::string(spelling_of(spec, id)), std::move(token));
    }
  }
  io::JsonArray single, pair;
  append_template(spec, "A", 0, single);
  append_template(spec, "A", 0, pair);
  append_template(spec, "B", 1, pair);
  io::JsonObject processing;
  processing.set("type", "TemplateProcessing");
  processing.set("single", std::move(single));
  processing.set("pair", std::move(pair));
  processing.set("special_tokens", std::move(special_tokens));
  io::JsonObject sequence;
  sequence.set("type", "Sequence");
  sequence.set("processors", io::JsonArray{std::move(byte_level), std::move(processing)});
  return sequence;
}

void append_added_tokens(const TokenizerSpec& spec, std::string& out) {
  out += "  \"added_tokens\": [";
  std::string_view separator = "\n";
  for (const AddedToken& token : spec.added_tokens) {
    fmt::format_to(std::back_inserter(out),
                   "{}    {{\"id\": {}, \"content\": {}, \"single_word\": {}, \"lstrip\": {}, "
                   "\"rstrip\": {}, \"normalized\": {}, \"special\": {}}}",
                   separator, token.id, json_text(token.content), token.single_word, token.lstrip,
                   token.rstrip, token.normalized, token.special);
    separator = ",\n";
  }
  out += spec.added_tokens.empty() ? "],\n" : "\n  ],\n";
}

void append_model(const TokenizerSpec& spec, std::string& out) {
  const bool has_unk = spec.unk_id && static_cast<size_t>(*spec.unk_id) < spec.vocab.size();
  const std::string unk =
      has_unk ? json_text(spec.vocab[static_cast<size_t>(*spec.unk_id)]) : "null";
  fmt::format_to(std::back_inserter(out),
                 "  \"model\": {{\n    \"type\": \"BPE\",\n    \"dropout\": null,\n"
                 "    \"unk_token\": {},\n    \"continuing_subword_prefix\": null,\n"
                 "    \"end_of_word_suffix\": null,\n    \"fuse_unk\": {},\n"
                 "    \"byte_fallback\": false,\n    \"ignore_merges\": {},\n    \"vocab\": {{",
                 unk, spec.fuse_unk, spec.ignore_merges);
  std::string_view separator = "\n";
  for (size_t id = 0; id < spec.vocab.size(); ++id) {
    fmt::format_to(std::back_inserter(out), "{}      {}: {}", separator, json_text(spec.vocab[id]),
                   id);
    separator = ",\n";
  }
  out += "\n    },\n    \"merges\": [";
  separator = "\n";
  for (const Merge& merge : spec.merges) {
    // One string rather than a pair: readers older than tokenizers 0.20 know only that form.
    const std::string text = spec.vocab[static_cast<size_t>(merge.left)] + " " +
                             spec.vocab[static_cast<size_t>(merge.right)];
    fmt::format_to(std::back_inserter(out), "{}      {}", separator, json_text(text));
    separator = ",\n";
  }
  out += "\n    ]\n  }\n";
}

}  // namespace

std::string write_tokenizer_json(const TokenizerSpec& spec) {
  if (spec.rank_is_merged_id) {
    throw Error(ErrorCode::kUnsupported,
                "a tiktoken vocabulary cannot be written as tokenizer.json");
  }
  std::string out = "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n";
  append_added_tokens(spec, out);
  fmt::format_to(std::back_inserter(out),
                 "  \"normalizer\": {},\n  \"pre_tokenizer\": {},\n  \"post_processor\": {},\n  "
                 "\"decoder\": {},\n",
                 io::write_json(spec.normalizer.json()), io::write_json(spec.pre_tokenizer.json()),
                 io::write_json(post_processor_json(spec)),
                 io::write_json(byte_level_json(true, true)));
  append_model(spec, out);
  out += "}\n";
  return out;
}

}  // namespace fathom::tokenizer
