#include "tokenizer/json/post_processor.h"

#include "io/json.h"
#include "tokenizer/json/json_reader.h"
#include "tokenizer/tokenizer_spec.h"

namespace fathom::tokenizer {
namespace {

class PostProcessorReader : JsonReader {
 public:
  explicit PostProcessorReader(const std::string& where) : JsonReader(where) {}

  Result<TemplateIds> read(const io::JsonValue& value) {
    if (Result<void> done = read_all(value); !done) return tl::unexpected(done.error());
    return std::move(ids_);
  }

 private:
  Result<void> read_all(const io::JsonValue& value) {
    if (type_of(value) != "Sequence") return read_processor(value);
    const Result<const io::JsonArray*> members = io::get_array(value, "processors", where_);
    if (!members) return tl::unexpected(members.error());
    for (const io::JsonValue& member : **members) {
      if (Result<void> done = read_processor(member); !done) return done;
    }
    return {};
  }

  Result<void> read_processor(const io::JsonValue& value) {
    if (type_of(value) == "ByteLevel") return {};  // only moves offsets
    if (type_of(value) == "TemplateProcessing") return read_template(value);
    return refuse("type {} is not supported", type_text(value));
  }

  /// "single": special tokens, the sequence A once, special tokens.
  Result<void> read_template(const io::JsonValue& value) {
    if (has_template_) return refuse("two templates are not supported");
    has_template_ = true;
    const Result<const io::JsonArray*> single = io::get_array(value, "single", where_);
    if (!single) return tl::unexpected(single.error());
    bool after_sequence = false;
    for (const io::JsonValue& piece : **single) {
      const io::JsonValue* const special = piece.find("SpecialToken");
      if (special == nullptr) {
        const io::JsonValue* const sequence = piece.find("Sequence");
        const io::JsonValue* const id = sequence == nullptr ? nullptr : sequence->find("id");
        const bool is_a = id != nullptr && id->is_string() && id->as_string() == "A";
        if (!is_a || after_sequence) {
          return refuse("single: expected the sequence A once, between special tokens");
        }
        after_sequence = true;
        continue;
      }
      std::vector<i32>& ids = after_sequence ? ids_.suffix : ids_.prefix;
      if (Result<void> done = read_template_token(value, *special, ids); !done) return done;
    }
    if (!after_sequence) return refuse("single: the sequence A is missing");
    return {};
  }

  /// Appends the ids that the template's special_tokens give for `special`.
  Result<void> read_template_token(const io::JsonValue& value, const io::JsonValue& special,
                                   std::vector<i32>& ids) {
    const Result<std::string> name = io::get_string(special, "id", where_);
    if (!name) return tl::unexpected(name.error());
    const io::JsonValue* const tokens = value.find("special_tokens");
    const io::JsonValue* const token = tokens == nullptr ? nullptr : tokens->find(*name);
    const io::JsonValue* const list = token == nullptr ? nullptr : token->find("ids");
    if (list == nullptr || !list->is_array()) {
      return invalid("special_tokens: no ids for \"{}\"", *name);
    }
    for (const io::JsonValue& id : list->as_array()) {
      if (!id.is_integer() || id.as_integer() < 0 || id.as_integer() >= kMaxVocabSize) {
        return invalid("special_tokens: \"{}\": expected an id, found {}", *name, io::describe(id));
      }
      ids.push_back(static_cast<i32>(id.as_integer()));
    }
    return {};
  }

  TemplateIds ids_;
  bool has_template_ = false;
};

}  // namespace

Result<TemplateIds> read_template_ids(const io::JsonValue& value, const std::string& where) {
  return PostProcessorReader(where).read(value);
}

}  // namespace fathom::tokenizer
