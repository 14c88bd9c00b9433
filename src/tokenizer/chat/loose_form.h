#pragma once
// A coarser normal form: what templates have in common that render the same from differently
// spelled parts, with the texts that people change taken out. Nothing is evaluated here either.
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace fathom::tokenizer {

struct LooseForm {
  std::string text;
  /// The default system text, and the date of Llama 3.1 and its successors, where the template has
  /// one. In `text` a mark stands in their places.
  std::optional<std::string> default_system, default_date;
};

/// Equal to that of another template if they differ only in what chat_template_normal_form
/// forgives, in the kind of quotes, in m['key'] for m.key, in how outputs are cut (text outside
/// tags, one tag or several, `+` between texts), and in those two texts. nullopt: a tag is not
/// closed.
std::optional<LooseForm> chat_template_loose_form(std::string_view jinja);

}  // namespace fathom::tokenizer
