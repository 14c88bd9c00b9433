#include "grammar/schema/emit/emit.h"

#include <algorithm>

#include "grammar/schema/read/json_values.h"

namespace fathom::grammar::schema {

Expr Emitter::value(const Literals& literals) {
  Literals relevant;
  for (const Literal& literal : literals) {
    const SchemaNode& node = compilation_.schemas[literal.node];
    if (literal.negated || !allows_everything(node)) relevant.push_back(literal);
  }
  if (relevant.empty()) return syntax_.any_value();
  const auto [at, is_new] = known_.try_emplace(relevant);
  Known& known = at->second;
  if (known.expr) return *known.expr;
  if (!is_new) {
    if (!known.rule) {
      known.rule = rules_.declare(compilation_.schemas[relevant[0].node].pointer);
    }
    return rules_.rule(*known.rule);
  }
  compilation_.step();
  if (++depth_ > kMaxReferences) throw_too_deep(compilation_.schemas[relevant[0].node]);
  Expr expr = compute(relevant);
  --depth_;
  if (known.rule) {
    rules_.define(*known.rule, expr);
    expr = rules_.rule(*known.rule);
  }
  known.expr = expr;
  return expr;
}

std::optional<std::string> Emitter::find_unsatisfied() {
  const auto is_void = [&](NodeId id) { return emptiness_.is_void(Literals{{.node = id}}); };
  const NodeId root = compilation_.schemas.root();
  if (!is_void(root)) return std::nullopt;
  std::string deepest = compilation_.schemas[root].pointer;
  for (const auto& [literals, known] : known_) {
    const SchemaNode& node = compilation_.schemas[literals[0].node];
    if (literals.size() > 1 || literals[0].negated || node.boolean) continue;
    const bool deeper =
        std::pair(node.pointer.size(), deepest) > std::pair(deepest.size(), node.pointer);
    if (deeper && is_void(literals[0].node)) deepest = node.pointer;
  }
  return deepest;
}

Expr Emitter::compute(const Literals& literals) {
  u8 types = kAllTypes;
  for (const Literal& literal : literals) {
    if (!literal.negated) types &= compilation_.possible_types(literal.node);
  }
  std::vector<Expr> choices;
  add_scalars(literals, types, choices);
  for (const Types type : {kArrayType, kObjectType}) {
    if ((types & type) == 0) continue;
    for (const Record& record : Expander(compilation_, emptiness_, type).records(literals)) {
      if (record.has_values) {
        for (const io::JsonValue* value : record.values) choices.push_back(exact_value(*value));
      } else {
        choices.push_back(type == kObjectType ? object(record) : array(record));
      }
    }
  }
  return rules_.choice(std::move(choices));
}

void Emitter::add_scalars(const Literals& literals, u8 types, std::vector<Expr>& choices) {
  std::vector<Regex> texts;
  const auto add_if_valid = [&](const io::JsonValue& value) {
    if ((types & type_of(value)) == 0) return;
    if (compilation_.validator.may_satisfy(literals, value)) {
      texts.push_back(regexes_.literal(io::write_json(value)));
    }
  };
  add_if_valid(io::JsonValue());
  add_if_valid(io::JsonValue(true));
  add_if_valid(io::JsonValue(false));
  if ((types & kNumberType) != 0) {
    texts.push_back(compilation_.scalars.texts(literals, kNumberType));
  }
  if ((types & kStringType) != 0) {
    texts.push_back(syntax_.quoted(compilation_.scalars.texts(literals, kStringType)));
  }
  choices.push_back(rules_.regex(regexes_.alternate(std::move(texts))));
}

Expr Emitter::exact_value(const io::JsonValue& value) {
  std::vector<Expr> elements;
  if (value.is_array()) {
    for (const io::JsonValue& item : value.as_array()) elements.push_back(exact_value(item));
    return exact_list('[', ']', std::move(elements));
  }
  if (value.is_object()) {
    for (const auto& [name, member] : value.as_object()) {
      elements.push_back(
          syntax_.member(regexes_.literal(string_content(name)), exact_value(member)));
    }
    return exact_list('{', '}', std::move(elements));
  }
  if (value.is_number()) {
    const Decimal number = Decimal::of(value).value();
    return rules_.regex(number_regex(regexes_, {.min = number, .max = number}).value());
  }
  return rules_.literal(io::write_json(value));
}

Expr Emitter::exact_list(char open, char close, std::vector<Expr> elements) {
  Expr rest = elements.empty() ? syntax_.close_empty(close) : syntax_.close(close);
  for (size_t i = elements.size(); i-- > 0;) {
    rest = rules_.sequence(elements[i], rest);
    if (i > 0) rest = rules_.sequence(syntax_.comma(), rest);
  }
  return rules_.sequence(syntax_.open(open), rest);
}

std::vector<Existence> Emitter::demands(const Record& record) {
  constexpr size_t kMaxDemands = 3;
  constexpr u32 kMaxCount = 200;
  std::vector<Existence> demands = record.unnamed;
  const u32 count = record.max_size == kUnbounded ? record.min_size : record.max_size;
  const size_t most = count > kMaxCount ? 0 : kMaxDemands;
  while (demands.size() > most) {
    const Literal& value = demands.back().value;
    const bool negated = value.negated;
    compilation_.findings.weaken(
        compilation_.schemas[negated ? value.origin : demands.back().source].pointer,
        negated ? value.keyword : "contains", "it asks for too many things at once");
    demands.pop_back();
  }
  return demands;
}

}  // namespace fathom::grammar::schema
