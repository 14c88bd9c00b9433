#pragma once
// The "post_processor" of a tokenizer.json: which ids stand before and behind an encoded text.
// Supported: ByteLevel, which only moves offsets, TemplateProcessing, and Sequence of the two.
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace fathom::io {
class JsonValue;
}

namespace fathom::tokenizer {

struct TemplateIds {
  std::vector<i32> prefix;
  std::vector<i32> suffix;
};

/// Reads the value of "post_processor". `where` opens every message. kUnsupported: another type, or
/// a template of more than one sequence.
Result<TemplateIds> read_template_ids(const io::JsonValue& value, const std::string& where);

}  // namespace fathom::tokenizer
