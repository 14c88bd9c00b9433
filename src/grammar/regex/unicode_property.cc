#include "grammar/regex/unicode_property.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "tokenizer/unicode/unicode.h"

namespace fathom::grammar {
namespace {

using tokenizer::CodePointSet;

/// Of PropertyValueAliases.txt, gc.
constexpr std::pair<std::string_view, std::string_view> kLongNames[] = {
    {"Cased_Letter", "LC"},
    {"Close_Punctuation", "Pe"},
    {"Connector_Punctuation", "Pc"},
    {"Control", "Cc"},
    {"Currency_Symbol", "Sc"},
    {"Dash_Punctuation", "Pd"},
    {"Decimal_Number", "Nd"},
    {"Enclosing_Mark", "Me"},
    {"Final_Punctuation", "Pf"},
    {"Format", "Cf"},
    {"Initial_Punctuation", "Pi"},
    {"Letter", "L"},
    {"Letter_Number", "Nl"},
    {"Line_Separator", "Zl"},
    {"Lowercase_Letter", "Ll"},
    {"Mark", "M"},
    {"Combining_Mark", "M"},
    {"Math_Symbol", "Sm"},
    {"Modifier_Letter", "Lm"},
    {"Modifier_Symbol", "Sk"},
    {"Nonspacing_Mark", "Mn"},
    {"Number", "N"},
    {"Open_Punctuation", "Ps"},
    {"Other", "C"},
    {"Other_Letter", "Lo"},
    {"Other_Number", "No"},
    {"Other_Punctuation", "Po"},
    {"Other_Symbol", "So"},
    {"Paragraph_Separator", "Zp"},
    {"Private_Use", "Co"},
    {"Punctuation", "P"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Spacing_Mark", "Mc"},
    {"Surrogate", "Cs"},
    {"Symbol", "S"},
    {"Titlecase_Letter", "Lt"},
    {"Unassigned", "Cn"},
    {"Uppercase_Letter", "Lu"},
    {"cntrl", "Cc"},
    {"digit", "Nd"},
    {"punct", "P"}};

std::optional<CodePointSet> find_category(std::string_view name) {
  for (const auto& [long_name, short_name] : kLongNames) {
    if (name == long_name) name = short_name;
  }
  if (name == "LC") {
    return tokenizer::code_points_of(
        mask_range(tokenizer::GeneralCategory::kLu, tokenizer::GeneralCategory::kLt));
  }
  // Longer names of that table are scripts.
  return name.size() <= 2 ? tokenizer::find_unicode_property(name) : std::nullopt;
}

std::optional<CodePointSet> find_script(std::string_view name) {
  return name.size() > 2 ? tokenizer::find_unicode_property(name) : std::nullopt;
}

}  // namespace

std::optional<CodePointSet> find_ecma_property(std::string_view name) {
  const size_t equals = name.find('=');
  if (equals != std::string_view::npos) {
    const std::string_view property = name.substr(0, equals), value = name.substr(equals + 1);
    if (property == "General_Category" || property == "gc") return find_category(value);
    if (property == "Script" || property == "sc") return find_script(value);
    return std::nullopt;
  }
  if (name == "Any") return CodePointSet({{0, 0x10FFFF}});
  if (name == "ASCII") return CodePointSet({{0, 0x7F}});
  if (name == "Assigned") return find_category("Cn")->complement();
  if (name == "White_Space" || name == "space") {
    return tokenizer::code_points_of(tokenizer::kWhiteSpace);
  }
  const std::optional<CodePointSet> category = find_category(name);
  return category ? category : find_script(name);
}

}  // namespace fathom::grammar
