#include "grammar/schema/read/references.h"

#include <charconv>

#include "grammar/schema/read/schema_node.h"

namespace fathom::grammar::schema {
namespace {

using io::JsonValue;

size_t scheme_bytes(std::string_view uri) {
  const size_t colon = uri.find_first_of(":/?#");
  return colon == std::string_view::npos || uri[colon] != ':' ? 0 : colon + 1;
}

std::string_view without_fragment(std::string_view uri) { return uri.substr(0, uri.find('#')); }

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    u8 byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr ==
            text.data() + i + 3) {
      decoded += static_cast<char>(byte);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

/// ~0 and ~1 of a JSON pointer's part.
std::string unescaped(std::string_view part) {
  std::string text;
  for (size_t i = 0; i < part.size(); ++i) {
    const bool escape = part[i] == '~' && i + 1 < part.size();
    if (escape && part[i + 1] == '0') {
      text += '~';
      ++i;
    } else if (escape && part[i + 1] == '1') {
      text += '/';
      ++i;
    } else {
      text += part[i];
    }
  }
  return text;
}

const JsonValue* child(const JsonValue& value, const std::string& name) {
  if (value.is_object()) return value.find(name);
  if (!value.is_array()) return nullptr;
  size_t index = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  if (error != std::errc() || end != name.data() + name.size()) return nullptr;
  return index < value.as_array().size() ? &value.as_array()[index] : nullptr;
}

/// `pointer` begins with '/'.
References::Target follow(References::Target from, std::string_view pointer) {
  while (!pointer.empty() && from.schema != nullptr) {
    const size_t end = std::min(pointer.find('/', 1), pointer.size());
    const std::string name = unescaped(pointer.substr(1, end - 1));
    from.schema = child(*from.schema, name);
    from.pointer = pointer_to(from.pointer, name);
    pointer.remove_prefix(end);
  }
  return from;
}

}  // namespace

std::string resolve_uri(std::string_view base, std::string_view reference) {
  if (scheme_bytes(reference) > 0) return std::string(reference);
  base = without_fragment(base);
  if (reference.empty()) return std::string(base);
  if (reference[0] == '#') return std::string(base).append(reference);
  const size_t scheme = scheme_bytes(base);
  if (reference.starts_with("//")) return std::string(base.substr(0, scheme)).append(reference);
  const bool has_authority = base.substr(scheme).starts_with("//");
  const size_t path = has_authority ? std::min(base.find('/', scheme + 2), base.size()) : scheme;
  if (reference[0] == '/') return std::string(base.substr(0, path)).append(reference);
  const size_t slash = base.find_last_of('/');
  if (slash == std::string_view::npos || slash < path) {
    const std::string separator = has_authority ? "/" : "";
    return std::string(base.substr(0, path)) + separator + std::string(reference);
  }
  return std::string(base.substr(0, slash + 1)).append(reference);
}

References::References(const JsonValue& root, std::string_view id_keyword)
    : id_keyword_(id_keyword) {
  by_uri_[""] = {&root, ""};
  scan(root, 0, "");
}

u32 References::enter(const JsonValue& schema, u32 base, const std::string& pointer) {
  if (const JsonValue* id = schema.find(id_keyword_); id != nullptr && id->is_string()) {
    const std::string uri = resolve_uri(bases_[base], id->as_string());
    const std::string_view document = without_fragment(uri);
    // "#name" is how drafts up to 7 name a place; it leaves the base as it is.
    if (document.size() + 1 < uri.size()) {
      by_uri_.emplace(uri, Target{&schema, pointer});
    } else {
      by_uri_.emplace(document, Target{&schema, pointer});
    }
    if (!id->as_string().starts_with('#')) {
      bases_.emplace_back(document);
      base = static_cast<u32>(bases_.size() - 1);
    }
  }
  for (const std::string_view keyword : {"$anchor", "$dynamicAnchor"}) {
    const JsonValue* anchor = schema.find(keyword);
    if (anchor == nullptr || !anchor->is_string()) continue;
    by_uri_.emplace(bases_[base] + '#' + anchor->as_string(), Target{&schema, pointer});
  }
  return base;
}

void References::scan(const JsonValue& value, u32 base, const std::string& pointer) {
  if (value.is_object()) {
    base = enter(value, base, pointer);
    if (base != 0) base_of_[&value] = base;
    for (const auto& [key, member] : value.as_object()) {
      if (member.is_object() || member.is_array()) scan(member, base, pointer_to(pointer, key));
    }
  } else if (value.is_array()) {
    size_t index = 0;
    for (const JsonValue& item : value.as_array()) scan(item, base, pointer_to(pointer, index++));
  }
}

std::optional<References::Target> References::find(const JsonValue& from,
                                                   std::string_view reference) const {
  const auto base = base_of_.find(&from);
  const std::string uri = resolve_uri(bases_[base == base_of_.end() ? 0 : base->second], reference);
  if (const auto whole = by_uri_.find(uri); whole != by_uri_.end()) return whole->second;
  const size_t hash = uri.find('#');
  const auto resource = by_uri_.find(uri.substr(0, hash));
  if (resource == by_uri_.end()) return std::nullopt;
  if (hash == std::string::npos || hash + 1 == uri.size()) return resource->second;
  const std::string fragment = percent_decoded(std::string_view(uri).substr(hash + 1));
  if (!fragment.starts_with('/')) return Target{};
  return follow(resource->second, fragment);
}

}  // namespace fathom::grammar::schema
