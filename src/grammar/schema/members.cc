#include "grammar/schema/members.h"

#include <algorithm>
#include <unordered_set>

#include "grammar/schema/read/json_values.h"

namespace fathom::grammar::schema {
namespace {

bool is_listed(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::vector<std::string> names_of(const Compilation& compilation, const Record& record) {
  std::vector<std::string> names;
  std::unordered_set<std::string_view> known;
  std::vector<const std::string*> all;
  for (const Source& source : record.sources) {
    for (const NamedSchema& property : compilation.schemas[source.schema].properties) {
      all.push_back(&property.name);
    }
  }
  for (const MemberDemand& member : record.members) all.push_back(&member.name);
  for (const std::string& name : record.required) all.push_back(&name);
  for (const std::string& name : record.forbidden) all.push_back(&name);
  for (const std::string* name : all) {
    if (known.insert(*name).second) names.push_back(*name);
  }
  return names;
}

bool is_closed(const Compilation& compilation, const Record& record) {
  if (!compilation.options.strict || record.sources.empty()) return false;
  return std::none_of(record.sources.begin(), record.sources.end(), [&](const Source& source) {
    return compilation.schemas[source.schema].additional_properties.has_value();
  });
}

bool is_required(const Record& record, std::string_view name) {
  return is_listed(record.required, name);
}

bool is_refused_outright(const Compilation& compilation, const Literals& literals) {
  return std::any_of(literals.begin(), literals.end(), [&](const Literal& literal) {
    const SchemaNode& node = compilation.schemas[literal.node];
    return node.boolean && *node.boolean == literal.negated;
  });
}

std::optional<Literals> member_literals(Compilation& compilation, const Record& record,
                                        const std::string& name) {
  if (is_listed(record.forbidden, name)) return std::nullopt;
  if (!record.names.empty() &&
      !compilation.validator.may_satisfy(record.names, io::JsonValue(name))) {
    return std::nullopt;
  }
  const std::string spelled = string_content(name);
  Literals literals;
  bool named = false;
  for (const auto& [id, place] : record.sources) {
    const SchemaNode& source = compilation.schemas[id];
    bool additional = true;
    const auto add = [&](NodeId schema) {
      additional = false;
      add_literal(literals, {.node = schema});
    };
    if (const auto property = source.property(name)) add(*property);
    for (const PatternSchema& pattern : source.pattern_properties) {
      if (compilation.regexes.matches(pattern.keys, spelled)) add(pattern.schema);
    }
    named |= !additional;
    if (additional && source.additional_properties) add(*source.additional_properties);
  }
  if (!named && is_closed(compilation, record)) return std::nullopt;
  for (const MemberDemand& member : record.members) {
    if (member.name == name) add_literal(literals, member.value);
  }
  if (is_refused_outright(compilation, literals)) return std::nullopt;
  return literals;
}

u32 num_prefix_items(const Compilation& compilation, const Record& record) {
  size_t count = 0;
  for (const Source& source : record.sources) {
    count = std::max(count, compilation.schemas[source.schema].prefix_items.size());
  }
  for (const ItemDemand& item : record.items) count = std::max(count, size_t{item.index} + 1);
  for (const auto* existences : {&record.existences, &record.unnamed}) {
    for (const Existence& existence : *existences) count = std::max(count, size_t{existence.index});
  }
  return static_cast<u32>(count);
}

Literals item_literals(const Compilation& compilation, const Record& record, u32 index) {
  Literals literals;
  for (const auto& [id, place] : record.sources) {
    const SchemaNode& source = compilation.schemas[id];
    if (index < source.prefix_items.size()) {
      add_literal(literals, {.node = source.prefix_items[index]});
    } else if (source.items) {
      add_literal(literals, {.node = *source.items});
    }
  }
  for (const Literal& literal : record.every_item) add_literal(literals, literal);
  for (const ItemDemand& item : record.items) {
    if (item.index == index) add_literal(literals, item.value);
  }
  return literals;
}

}  // namespace fathom::grammar::schema
