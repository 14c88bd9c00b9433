#include "grammar/schema/scalars.h"

#include "grammar/schema/formats/format.h"
#include "grammar/schema/read/json_values.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar::schema {

using io::JsonValue;

Regex Scalars::any(Types type) {
  if (type == kNumberType) {
    if (!any_number_) any_number_ = number_regex(regexes_, {}).value();
    return *any_number_;
  }
  if (!any_string_) any_string_ = regexes_.star(any_character());
  return *any_string_;
}

Regex Scalars::any_character() {
  if (!any_character_) any_character_ = grammar::one_of(regexes_, all_characters(), spelling_);
  return *any_character_;
}

Regex Scalars::texts(std::span<const Literal> literals, Types type) {
  Language all{regexes_.everything()};
  for (const Literal& literal : literals) {
    all = both(all, literal.negated
                        ? without(literal.node, type, schemas_[literal.origin], literal.keyword)
                        : of(literal.node, type, Values::kShortest));
  }
  return all.regex == regexes_.everything() ? any(type) : all.regex;
}

// A schema that refers to itself, on the way to itself, adds nothing.
Language Scalars::of(NodeId id, Types type, Values values) {
  const u64 key =
      u64{static_cast<u32>(id)} << 8 | u64{type} << 1 | (values == Values::kShortest ? 1 : 0);
  const auto [known, is_new] = known_.try_emplace(key, Language{regexes_.everything(), false});
  if (!is_new) return known->second;
  if (++depth_ > kMaxReferences) throw_too_deep(schemas_[id]);
  const Language language = compute(schemas_[id], type, values);
  --depth_;
  known_[key] = language;
  return language;
}

Language Scalars::compute(const SchemaNode& node, Types type, Values values) {
  if (node.boolean) return {*node.boolean ? regexes_.everything() : regexes_.nothing()};
  if ((node.types & type) == 0) return {regexes_.nothing()};
  Language all = own(node, type);
  if (node.has_values) all = both(all, {listed(node, type, values)});
  if (node.reference) all = both(all, of(*node.reference, type, values));
  for (const NodeId part : node.all_of) all = both(all, of(part, type, values));
  if (!node.any_of.empty()) {
    Language any_of{regexes_.nothing()};
    for (const NodeId part : node.any_of) any_of = either(any_of, of(part, type, values));
    all = both(all, any_of);
  }
  if (!node.one_of.empty()) all = both(all, one_of(node, type, values));
  if (node.negation) all = both(all, without(*node.negation, type, node, "not"));
  if (node.condition) all = both(all, conditional(node, type, values));
  return all;
}

Language Scalars::own(const SchemaNode& node, Types type) {
  const u64 key = reinterpret_cast<u64>(&node) << 8 | type;
  const auto known = own_.find(key);
  if (known != own_.end()) return known->second;
  Language language = type == kStringType ? strings(node) : numbers(node);
  language.exact &= node.unsupported.empty();
  own_[key] = language;
  return language;
}

Language Scalars::numbers(const SchemaNode& node) {
  if (!node.number) return {regexes_.everything()};
  NumberRange range = *node.number;
  auto regex = number_regex(regexes_, range);
  const bool exact = regex.has_value();
  if (!exact) {
    findings_.weaken(node.pointer, "multipleOf", regex.error().message());
    range.multiple_of.reset();
    regex = number_regex(regexes_, range);
  }
  // 1.0 is an integer from draft 6 on.
  if (!range.integer || schemas_.draft() != Draft::k4) return {*regex, exact};
  const Regex digits = regexes_.repeat(regexes_.bytes(ByteSet::range('0', '9')), 1, kUnbounded);
  const Regex whole = regexes_.concat(regexes_.optional(regexes_.literal("-")), digits);
  return {regexes_.intersect(*regex, whole), exact};
}

Language Scalars::strings(const SchemaNode& node) {
  Regex all = regexes_.everything();
  if (node.min_length > 0 || node.max_length != kUnbounded) {
    if (node.min_length > node.max_length) return {regexes_.nothing()};
    all = regexes_.repeat(any_character(), node.min_length, node.max_length);
  }
  if (node.pattern) all = regexes_.intersect(all, *node.pattern);
  if (node.format) {
    const auto [known, is_new] = formats_.try_emplace(*node.format);
    if (is_new) known->second = format_regex(regexes_, *node.format, spelling_);
    all = regexes_.intersect(all, known->second);
  }
  return {all, !node.format || !is_partial_format(*node.format)};
}

Regex Scalars::listed(const SchemaNode& node, Types type, Values values) {
  std::vector<Regex> choices;
  for (const JsonValue* value : node.values) {
    if (type_of(*value) != type) continue;
    if (type == kNumberType) {
      const Decimal number = Decimal::of(*value).value();
      choices.push_back(number_regex(regexes_, {.min = number, .max = number}).value());
    } else if (values == Values::kShortest) {
      const std::string& text = value->as_string();
      choices.push_back(
          regexes_.literal(spelling_ == Spelling::kJson ? string_content(text) : text));
    } else {
      choices.push_back(spelled(value->as_string()));
    }
  }
  return regexes_.alternate(std::move(choices));
}

Language Scalars::without(NodeId id, Types type, const SchemaNode& origin,
                          std::string_view keyword) {
  const Language inner = of(id, type, Values::kAllSpellings);
  if (!inner.exact) {
    findings_.weaken(origin.pointer, keyword,
                     "what it excludes cannot be told from what is not supported");
    return {regexes_.everything(), false};
  }
  if (inner.regex == regexes_.nothing()) return {regexes_.everything()};
  if (inner.regex == regexes_.everything()) return {regexes_.nothing()};
  return {all_but(type, inner.regex)};
}

// Numbers within bounds are spelled without an exponent, so all others must be, too: 1e3 would be
// taken for a number that is not at least 5.
Regex Scalars::all_but(Types type, Regex excluded) {
  if (type == kStringType) return regexes_.subtract(any(type), excluded);
  const Regex digit = regexes_.bytes(ByteSet::range('0', '9'));
  const Regex whole = regexes_.alternate(
      regexes_.literal("0"),
      regexes_.concat(regexes_.bytes(ByteSet::range('1', '9')), regexes_.star(digit)));
  const Regex fraction =
      regexes_.concat({regexes_.literal("."), regexes_.repeat(digit, 1, kUnbounded)});
  const Regex plain = regexes_.concat(
      {regexes_.optional(regexes_.literal("-")), whole, regexes_.optional(fraction)});
  return regexes_.subtract(plain, excluded);
}

Regex Scalars::spelled(const std::string& text) {
  const auto [known, is_new] = spelled_.try_emplace(text);
  if (!is_new) return known->second;
  std::vector<Regex> characters;
  for (size_t pos = 0; pos < text.size();) {
    const auto [value, num_bytes] = tokenizer::decode_utf8(text, pos);
    const auto [character, first_time] = spelled_characters_.try_emplace(value);
    if (first_time) {
      const tokenizer::CodePointSet set({{value, value}});
      character->second = grammar::one_of(regexes_, set, spelling_);
    }
    characters.push_back(character->second);
    pos += num_bytes;
  }
  Regex regex = regexes_.empty();
  for (size_t i = characters.size(); i-- > 0;) regex = regexes_.concat(characters[i], regex);
  known->second = regex;
  return regex;
}

bool Scalars::own_holds(const SchemaNode& node, const JsonValue& value) {
  const Regex language = own(node, type_of(value)).regex;
  if (language == regexes_.everything()) return true;
  if (value.is_string()) return regexes_.matches(language, string_content(value.as_string()));
  const Decimal number = Decimal::of(value).value();
  std::string text = (number.negative ? "-" : "") + number.integer_part();
  if (!number.fraction().empty()) text += '.' + number.fraction();
  return regexes_.matches(language, text);
}

Language Scalars::one_of(const SchemaNode& node, Types type, Values values) {
  Language result{regexes_.nothing()};
  for (const NodeId& part : node.one_of) {
    Language only = of(part, type, values);
    for (const NodeId& other : node.one_of) {
      if (&other == &part || regexes_.matches_nothing(only.regex)) continue;
      const Language excluded = of(other, type, Values::kAllSpellings);
      if (!regexes_.overlap(only.regex, excluded.regex)) continue;
      only = both(only, without(other, type, node, "oneOf"));
    }
    result = either(result, only);
  }
  return result;
}

Language Scalars::conditional(const SchemaNode& node, Types type, Values values) {
  Language holds = of(*node.condition, type, values);
  Language fails = without(*node.condition, type, node, "if");
  if (node.consequent) holds = both(holds, of(*node.consequent, type, values));
  if (node.otherwise) fails = both(fails, of(*node.otherwise, type, values));
  return either(holds, fails);
}

}  // namespace fathom::grammar::schema
