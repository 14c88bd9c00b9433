#include "io/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "io/json_sax.h"
#include "io/mapped_file.h"

namespace fathom::io {

std::string_view kind_name(JsonKind kind) {
  switch (kind) {
    case JsonKind::kNull:
      return "null";
    case JsonKind::kBool:
      return "a boolean";
    case JsonKind::kInteger:
      return "an integer";
    case JsonKind::kNumber:
      return "a number";
    case JsonKind::kString:
      return "a string";
    case JsonKind::kArray:
      return "an array";
    case JsonKind::kObject:
      return "an object";
  }
  return "?";
}

size_t JsonObject::lower_bound(std::string_view key) const {
  const auto at = std::lower_bound(
      by_key_.begin(), by_key_.end(), key,
      [this](u32 index, std::string_view wanted) { return members_[index].first < wanted; });
  return static_cast<size_t>(at - by_key_.begin());
}

const JsonValue* JsonObject::find(std::string_view key) const {
  const size_t at = lower_bound(key);
  if (at == by_key_.size() || members_[by_key_[at]].first != key) return nullptr;
  return &members_[by_key_[at]].second;
}

void JsonObject::set(std::string key, JsonValue value) {
  const size_t at = lower_bound(key);
  if (at < by_key_.size() && members_[by_key_[at]].first == key) {
    members_[by_key_[at]].second = std::move(value);
    return;
  }
  by_key_.insert(by_key_.begin() + static_cast<std::ptrdiff_t>(at),
                 static_cast<u32>(members_.size()));
  members_.emplace_back(std::move(key), std::move(value));
}

bool JsonObject::erase(std::string_view key) {
  const size_t at = lower_bound(key);
  if (at == by_key_.size() || members_[by_key_[at]].first != key) return false;
  members_.erase(members_.begin() + static_cast<std::ptrdiff_t>(by_key_[at]));
  index();
  return true;
}

void JsonObject::index() {
  by_key_.resize(members_.size());
  std::iota(by_key_.begin(), by_key_.end(), u32{0});
  std::sort(by_key_.begin(), by_key_.end(),
            [this](u32 a, u32 b) { return members_[a].first < members_[b].first; });
}

/// Builds the value tree from parser events; containers under construction stand on a stack.
class JsonBuilder : public sax::Handler {
 public:
  explicit JsonBuilder(const JsonLimits& limits) : limits_(limits) {}

  bool null() { return add(JsonValue()); }
  bool boolean(bool value) { return add(JsonValue(value)); }
  bool number_integer(number_integer_t value) { return add(JsonValue(i64{value})); }
  bool number_unsigned(number_unsigned_t value) {
    return value <= static_cast<u64>(INT64_MAX) ? add(JsonValue(static_cast<i64>(value)))
                                                : add(JsonValue(static_cast<double>(value)));
  }
  bool number_float(number_float_t value, const string_t&) { return add(JsonValue(value)); }
  bool string(string_t& value) { return add(JsonValue(std::move(value))); }
  bool start_object(size_t) { return open(JsonValue(JsonObject())); }
  bool start_array(size_t) { return open(JsonValue(JsonArray())); }
  bool key(string_t& value) {
    keys_.push_back(std::move(value));
    return true;
  }
  bool end_array() { return close(); }
  bool end_object() {
    JsonObject& object = open_.back().as_object();
    object.index();
    const auto same = std::adjacent_find(
        object.by_key_.begin(), object.by_key_.end(),
        [&object](u32 a, u32 b) { return object.members_[a].first == object.members_[b].first; });
    if (same != object.by_key_.end()) {
      if (limits_.last_key_wins) {
        keep_last_of_equal_keys(object);
        return close();
      }
      return refuse(fmt::format("the object that ends here has the key \"{}\" twice",
                                sax::excerpt(object.members_[*same].first)));
    }
    return close();
  }

  /// Names the member whose number is too large.
  bool parse_error(size_t at, const std::string& token, const nlohmann::json::exception& error) {
    constexpr int kNumberOverflow = 406;
    if (error.id != kNumberOverflow || open_.empty() || !open_.back().is_object()) {
      return Handler::parse_error(at, token, error);
    }
    return refuse(
        fmt::format("\"{}\": {}", sax::excerpt(keys_.back()), sax::plain_message(error.what())));
  }

  JsonValue take() { return std::move(root_); }

 private:
  static void keep_last_of_equal_keys(JsonObject& object) {
    std::vector<bool> is_kept(object.members_.size(), false);
    for (size_t i = 0; i < object.by_key_.size();) {
      const std::string& key = object.members_[object.by_key_[i]].first;
      u32 last = 0;
      for (; i < object.by_key_.size() && object.members_[object.by_key_[i]].first == key; ++i) {
        last = std::max(last, object.by_key_[i]);
      }
      is_kept[last] = true;
    }
    std::vector<JsonMember> kept;
    for (size_t i = 0; i < is_kept.size(); ++i) {
      if (is_kept[i]) kept.push_back(std::move(object.members_[i]));
    }
    object.members_ = std::move(kept);
    object.index();
  }

  bool add(JsonValue value) {
    if (++values_ > limits_.max_values) {
      return refuse(fmt::format("more than {} values", limits_.max_values));
    }
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is_array()) {
      open_.back().as_array().push_back(std::move(value));
    } else {
      open_.back().as_object().members_.emplace_back(std::move(keys_.back()), std::move(value));
      keys_.pop_back();
    }
    return true;
  }
  bool open(JsonValue container) {
    if (static_cast<i64>(open_.size()) >= limits_.max_depth) {
      return refuse(fmt::format("nested deeper than {}", limits_.max_depth));
    }
    open_.push_back(std::move(container));
    return true;
  }
  bool close() {
    JsonValue done = std::move(open_.back());
    open_.pop_back();
    return add(std::move(done));
  }

  const JsonLimits limits_;
  i64 values_ = 0;
  JsonValue root_;
  std::vector<JsonValue> open_;
  std::vector<std::string> keys_;  // one for each object member under construction
};

bool JsonValue::as_bool() const {
  FATHOM_CHECK(is_bool(), "JSON value is ", kind_name(kind()));
  return std::get<bool>(value_);
}
i64 JsonValue::as_integer() const {
  FATHOM_CHECK(is_integer(), "JSON value is ", kind_name(kind()));
  return std::get<i64>(value_);
}
double JsonValue::as_number() const {
  FATHOM_CHECK(is_number(), "JSON value is ", kind_name(kind()));
  return is_integer() ? static_cast<double>(std::get<i64>(value_)) : std::get<double>(value_);
}
const std::string& JsonValue::as_string() const {
  FATHOM_CHECK(is_string(), "JSON value is ", kind_name(kind()));
  return std::get<std::string>(value_);
}
const JsonArray& JsonValue::as_array() const {
  FATHOM_CHECK(is_array(), "JSON value is ", kind_name(kind()));
  return std::get<JsonArray>(value_);
}
const JsonObject& JsonValue::as_object() const {
  FATHOM_CHECK(is_object(), "JSON value is ", kind_name(kind()));
  return std::get<JsonObject>(value_);
}
JsonArray& JsonValue::as_array() {
  FATHOM_CHECK(is_array(), "JSON value is ", kind_name(kind()));
  return std::get<JsonArray>(value_);
}
JsonObject& JsonValue::as_object() {
  FATHOM_CHECK(is_object(), "JSON value is ", kind_name(kind()));
  return std::get<JsonObject>(value_);
}

const JsonValue* JsonValue::find(std::string_view key) const {
  return is_object() ? as_object().find(key) : nullptr;
}

Result<JsonValue> parse_json(std::string_view text, const std::string& where,
                             const JsonLimits& limits) {
  if (static_cast<i64>(text.size()) > limits.max_bytes) {
    return invalid_input(fmt::format("{}: {} bytes of JSON, expected at most {}", where,
                                     text.size(), limits.max_bytes));
  }
  JsonBuilder builder(limits);
  std::string repaired;
  if (limits.replace_lone_surrogates) {
    repaired = sax::without_lone_surrogates(text);
    text = repaired;
  }
  if (auto parsed = sax::parse(text, where, builder); !parsed) {
    return tl::unexpected(std::move(parsed.error()));
  }
  return builder.take();
}

Result<JsonValue> read_json(const std::filesystem::path& path, const JsonLimits& limits) {
  auto text = read_text(path, limits.max_bytes);
  if (!text) return tl::unexpected(std::move(text.error()));
  return parse_json(*text, path.string(), limits);
}

}  // namespace fathom::io
