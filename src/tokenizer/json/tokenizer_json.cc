// tokenizer.json -> TokenizerSpec. What would change the ids and is not handled is refused; what
// cannot (truncation and padding, which transformers resets on loading, offsets) is passed over.
#include <fmt/format.h>

#include <unordered_map>

#include "io/json.h"
#include "tokenizer/json/added_token_json.h"
#include "tokenizer/json/json_reader.h"
#include "tokenizer/json/post_processor.h"
#include "tokenizer/tokenizer_spec.h"

namespace fathom::tokenizer {
namespace {

class SpecReader : JsonReader {
 public:
  SpecReader(const io::JsonValue& root, std::string_view where)
      : JsonReader(std::string(where)), root_(root) {}

  Result<TokenizerSpec> read() {
    for (const auto step : {&SpecReader::read_model, &SpecReader::read_vocab,
                            &SpecReader::read_merges, &SpecReader::read_added_tokens,
                            &SpecReader::read_normalizer, &SpecReader::read_pre_tokenizer,
                            &SpecReader::read_post_processor, &SpecReader::read_decoder}) {
      if (Result<void> done = (this->*step)(); !done) return tl::unexpected(done.error());
    }
    return std::move(spec_);
  }

 private:
  Result<void> read_model() {
    if (!root_.is_object()) return invalid("expected an object, found {}", io::describe(root_));
    model_ = root_.find("model");
    if (model_ == nullptr || !model_->is_object()) return invalid("model: expected an object");
    const io::JsonValue* const type = model_->find("type");
    if (type == nullptr || !type->is_string() || type->as_string() != "BPE") {
      return refuse("model: type: expected \"BPE\", found {}",
                    type == nullptr ? "none" : io::describe(*type));
    }
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      const io::JsonValue* const value = model_->find(key);
      const bool is_empty = value == nullptr || value->is_null() ||
                            (value->is_string() && value->as_string().empty());
      if (!is_empty) return refuse("model: {}: {} is not supported", key, io::describe(*value));
    }
    const io::JsonValue* const dropout = model_->find("dropout");
    if (dropout != nullptr && !dropout->is_null() &&
        !(dropout->is_number() && dropout->as_number() == 0.0)) {
      return refuse("model: dropout: {} is not supported; ids would be random",
                    io::describe(*dropout));
    }
    if (auto read = read_flag(*model_, "fuse_unk", "model", spec_.fuse_unk); !read) return read;
    return read_flag(*model_, "ignore_merges", "model", spec_.ignore_merges);
  }

  /// An optional true or false.
  Result<void> read_flag(const io::JsonValue& object, std::string_view key, std::string_view place,
                         bool& flag) {
    const io::JsonValue* const value = object.find(key);
    if (value == nullptr || value->is_null()) return {};
    if (!value->is_bool()) {
      return invalid("{}: {}: expected true or false, found {}", place, key, io::describe(*value));
    }
    flag = value->as_bool();
    return {};
  }

  Result<void> read_vocab() {
    const io::JsonValue* const vocab = model_->find("vocab");
    if (vocab == nullptr || !vocab->is_object()) return invalid("model: vocab: expected an object");
    const io::JsonObject& entries = vocab->as_object();
    const auto size = static_cast<i64>(entries.size());
    if (size > kMaxVocabSize) {
      return invalid("model: vocab: {} tokens; the limit is {}", size, kMaxVocabSize);
    }
    spec_.vocab.resize(entries.size());
    ids_.reserve(entries.size());
    for (const auto& [spelling, value] : entries) {
      if (spelling.empty()) return invalid("model: vocab: a token without text");
      if (spelling.size() > kMaxTokenBytes) {
        return invalid("model: vocab: a token of {} bytes; the limit is {}", spelling.size(),
                       kMaxTokenBytes);
      }
      // With n distinct ids below n, none is missing.
      if (!value.is_integer() || value.as_integer() < 0 || value.as_integer() >= size) {
        return invalid(
            "model: vocab: \"{}\": expected an id below {} (the ids of {} tokens, without "
            "gaps), found {}",
            spelling, size, size, io::describe(value));
      }
      std::string& slot = spec_.vocab[static_cast<size_t>(value.as_integer())];
      if (!slot.empty()) {
        return invalid("model: vocab: \"{}\" and \"{}\" have the same id {}", slot, spelling,
                       value.as_integer());
      }
      slot = spelling;
      ids_.emplace(spelling, static_cast<i32>(value.as_integer()));
    }
    return read_unk();
  }

  /// The token of what has none. One outside model.vocab counts as none, as in Hugging Face.
  Result<void> read_unk() {
    const io::JsonValue* const unk = model_->find("unk_token");
    if (unk == nullptr || unk->is_null()) return {};
    if (!unk->is_string()) {
      return invalid("model: unk_token: expected text or null, found {}", io::describe(*unk));
    }
    if (const auto known = ids_.find(unk->as_string()); known != ids_.end()) {
      spec_.unk_id = known->second;
    }
    return {};
  }

  Result<void> read_merges() {
    const io::JsonValue* const merges = model_->find("merges");
    if (merges == nullptr || !merges->is_array())
      return invalid("model: merges: expected an array");
    spec_.merges.reserve(merges->as_array().size());
    for (const io::JsonValue& merge : merges->as_array()) {
      std::string_view left, right;
      if (!split_merge(merge, left, right)) {
        return invalid(
            "model: merges[{}]: expected \"LEFT RIGHT\" or [\"LEFT\", \"RIGHT\"], found {}",
            spec_.merges.size(), io::describe(merge));
      }
      Merge ids;
      for (const auto& [part, id] : {std::pair(left, &ids.left), std::pair(right, &ids.right)}) {
        const auto known = ids_.find(part);
        if (known == ids_.end()) {
          return invalid("model: merges[{}]: \"{}\" is not in model.vocab", spec_.merges.size(),
                         part);
        }
        *id = known->second;
      }
      spec_.merges.push_back(ids);
    }
    return {};
  }

  static bool split_merge(const io::JsonValue& merge, std::string_view& left,
                          std::string_view& right) {
    if (merge.is_string()) {
      const std::string_view text = merge.as_string();
      const size_t space = text.find(' ');
      if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
        return false;
      }
      left = text.substr(0, space);
      right = text.substr(space + 1);
      return true;
    }
    if (!merge.is_array() || merge.as_array().size() != 2) return false;
    const io::JsonArray& pair = merge.as_array();
    if (!pair[0].is_string() || !pair[1].is_string()) return false;
    left = pair[0].as_string();
    right = pair[1].as_string();
    return true;
  }

  Result<void> read_added_tokens() {
    const io::JsonValue* const list = root_.find("added_tokens");
    if (list == nullptr || list->is_null()) return {};
    if (!list->is_array()) return invalid("added_tokens: expected an array");
    for (const io::JsonValue& entry : list->as_array()) {
      const std::string place = fmt::format("added_tokens[{}]", spec_.added_tokens.size());
      const std::string full_place = fmt::format("{}: {}", where_, place);
      AddedToken token;
      const Result<i64> id = io::get_integer(entry, "id", full_place);
      if (!id) return tl::unexpected(id.error());
      if (*id < 0 || *id >= kMaxVocabSize) {
        return invalid("{}: id: {} is outside 0..{}", place, *id, kMaxVocabSize - 1);
      }
      token.id = static_cast<i32>(*id);
      if (auto done = read_added_token(entry, full_place, token); !done) return done;
      spec_.added_tokens.push_back(std::move(token));
    }
    return {};
  }

  Result<void> read_normalizer() {
    const io::JsonValue* const value = root_.find("normalizer");
    if (value == nullptr) return {};
    Result<Normalizer> normalizer = Normalizer::from_json(*value, where_);
    if (!normalizer) return tl::unexpected(normalizer.error());
    spec_.normalizer = std::move(*normalizer);
    return {};
  }

  Result<void> read_pre_tokenizer() {
    const io::JsonValue* const value = root_.find("pre_tokenizer");
    if (value == nullptr || value->is_null()) {
      return refuse("pre_tokenizer: there is none; only byte-level tokenizers are supported");
    }
    Result<PreTokenizer> pre_tokenizer = PreTokenizer::from_json(*value, where_);
    if (!pre_tokenizer) return tl::unexpected(pre_tokenizer.error());
    spec_.pre_tokenizer = std::move(*pre_tokenizer);
    return {};
  }

  Result<void> read_post_processor() {
    const io::JsonValue* const value = root_.find("post_processor");
    if (value == nullptr || value->is_null()) return {};
    Result<TemplateIds> ids = read_template_ids(*value, fmt::format("{}: post_processor", where_));
    if (!ids) return tl::unexpected(ids.error());
    spec_.prefix_ids = std::move(ids->prefix);
    spec_.suffix_ids = std::move(ids->suffix);
    return {};
  }

  Result<void> read_decoder() {
    const io::JsonValue* value = root_.find("decoder");
    if (value != nullptr && type_of(*value) == "Sequence") {
      const io::JsonValue* const members = value->find("decoders");
      const bool is_single =
          members != nullptr && members->is_array() && members->as_array().size() == 1;
      if (!is_single)
        return refuse("decoder: only ByteLevel is supported, found a longer sequence");
      value = &members->as_array()[0];
    }
    if (value != nullptr && type_of(*value) == "ByteLevel") return {};
    return refuse("decoder: expected type \"ByteLevel\", found {}",
                  value == nullptr ? "none" : type_text(*value));
  }

  const io::JsonValue& root_;
  const io::JsonValue* model_ = nullptr;
  std::unordered_map<std::string_view, i32> ids_;  // views of root_'s keys
  TokenizerSpec spec_;
};

}  // namespace

Result<TokenizerSpec> parse_tokenizer_json(std::string_view text, std::string_view where) {
  // A merge is up to three values, an added token eight.
  const io::JsonLimits limits = {.max_bytes = kMaxTokenizerFileBytes,
                                 .max_values = 16 * kMaxVocabSize};
  const Result<io::JsonValue> root = io::parse_json(text, std::string(where), limits);
  if (!root) return tl::unexpected(root.error());
  return SpecReader(*root, where).read();
}

}  // namespace fathom::tokenizer
