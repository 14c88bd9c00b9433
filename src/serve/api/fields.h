#pragma once
// The members of a request's body. Each is one of four classes: honoured, without effect, refused,
// or unknown; nothing is passed over in silence.
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "serve/api/error.h"

namespace fathom::serve {

enum class FieldClass {
  kHonoured,
  kNoEffect,  // accepted: it changes no answer
  kRefused,   // it would change the answer, and this server cannot do it
};

struct FieldRule {
  std::string_view name;
  FieldClass kind = FieldClass::kHonoured;
  /// Of kRefused: values that ask for nothing, beside null, false, "", [] and {}.
  bool (*is_benign)(const io::JsonValue& value) = nullptr;
};

/// Reads members and remembers the first thing that is wrong: afterwards error() says whether all
/// is well. A member that is null counts as absent. An integer may be written as 16.0.
class FieldReader {
 public:
  /// `path` stands before names in messages: "thinking." of an object inside the body.
  explicit FieldReader(const io::JsonObject& object, std::string path = "")
      : object_(object), path_(std::move(path)) {}

  /// nullptr: absent.
  const io::JsonValue* find(std::string_view name) const;
  // What they return is nullopt for an absent member too.
  std::optional<bool> boolean(std::string_view name);
  std::optional<i64> integer(std::string_view name, i64 least, i64 most);
  std::optional<double> number(std::string_view name, double least, double most);
  std::optional<std::string> text(std::string_view name, size_t max_bytes = size_t{1} << 20);
  const io::JsonArray* array(std::string_view name, size_t max_items);
  const io::JsonObject* object(std::string_view name);

  void fail(ApiError error) {
    if (!error_) error_ = std::move(error);
  }
  /// "temperature: expected 0 to 2, found ..."
  void fail_type(std::string_view name, std::string_view expected, const io::JsonValue& found);
  void fail_range(std::string_view name, std::string_view expected, const io::JsonValue& found);
  bool ok() const { return !error_; }
  const std::optional<ApiError>& error() const { return error_; }
  std::string path(std::string_view name) const { return path_ + std::string(name); }

  /// Refuses what the rules refuse, and returns the names that no rule has.
  std::vector<std::string> check(std::span<const std::span<const FieldRule>> rules);

 private:
  const io::JsonObject& object_;
  std::string path_;
  std::optional<ApiError> error_;
};

/// The value as an integer, also of 16.0; nullopt: it is none.
std::optional<i64> as_whole(const io::JsonValue& value);

/// Limits of a body, beside its bytes.
inline constexpr i64 kMaxBodyDepth = 128;
/// The object in a body; 400 for anything else.
ApiResult<io::JsonValue> read_body(std::string_view body);

}  // namespace fathom::serve
