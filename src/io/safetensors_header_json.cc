#include "io/safetensors_header_json.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "io/json_sax.h"

namespace fathom::io {
namespace {

constexpr i64 kMaxIgnoredDepth = 32;

/// The events of {"name": {"dtype": s, "shape": [n...], "data_offsets": [n, n]}, "__metadata__":
/// {}}. Other members of a tensor are ignored, as the reference implementation does.
class HeaderHandler : public sax::Handler {
 public:
  /// No metadata may be written as null: the reference reader's field is optional.
  bool null() { return level_ == Level::kTop && at_metadata_ ? true : scalar("null"); }
  bool boolean(bool) { return scalar("a boolean"); }
  bool number_float(number_float_t, const string_t& text) {
    return scalar("the number " + sax::excerpt(text));
  }
  bool number_integer(number_integer_t value) { return scalar(fmt::format("{}", value)); }
  bool number_unsigned(number_unsigned_t value);
  bool string(string_t& value);
  bool start_object(size_t);
  bool end_object();
  bool start_array(size_t);
  bool end_array();
  bool key(string_t& value);

  Header take() { return std::move(header_); }

 private:
  enum class Level { kStart, kTop, kTensor, kMetadata, kShape, kOffsets, kIgnored };
  enum class Field { kDtype, kShape, kOffsets, kOther };

  bool scalar(const std::string& found) {
    return level_ == Level::kIgnored || (level_ == Level::kTensor && field_ == Field::kOther)
               ? true
               : refuse(unexpected(found));
  }
  std::string unexpected(const std::string& found) const;
  bool ignore() {
    level_ = Level::kIgnored;
    ignored_depth_ = 1;
    return true;
  }
  bool finish_tensor();
  HeaderEntry& entry() { return header_.entries.back(); }
  std::string tensor() const {
    return fmt::format("tensor `{}`", sax::excerpt(header_.entries.back().name, 200));
  }

  Header header_;
  Level level_ = Level::kStart;
  Field field_ = Field::kOther;
  std::array<bool, 3> seen_ = {};  // by Field
  i64 offsets_ = 0;                // numbers read of data_offsets
  i64 ignored_depth_ = 0;
  bool at_metadata_ = false;  // the top-level key just read is __metadata__
  bool seen_metadata_ = false;
  std::string metadata_key_;
};

std::string HeaderHandler::unexpected(const std::string& found) const {
  switch (level_) {
    case Level::kStart:
      return "expected an object, found " + found;
    case Level::kTop:
      return fmt::format("{}: expected an object, found {}",
                         at_metadata_ ? "__metadata__" : tensor(), found);
    case Level::kMetadata:
      return fmt::format("__metadata__ `{}`: expected a string, found {}",
                         sax::excerpt(metadata_key_), found);
    case Level::kShape:
      return fmt::format("{}: shape: expected sizes, found {}", tensor(), found);
    case Level::kOffsets:
      return fmt::format("{}: data_offsets: expected two byte offsets, found {}", tensor(), found);
    default:
      break;
  }
  constexpr std::array<std::string_view, 3> kExpected = {
      "dtype: expected a string", "shape: expected an array", "data_offsets: expected an array"};
  return fmt::format("{}: {}, found {}", tensor(), kExpected[static_cast<size_t>(field_)], found);
}

bool HeaderHandler::number_unsigned(number_unsigned_t value) {
  if (level_ != Level::kShape && level_ != Level::kOffsets) {
    return scalar(fmt::format("{}", value));
  }
  if (value > static_cast<u64>(INT64_MAX)) return refuse(unexpected(fmt::format("{}", value)));
  const auto number = static_cast<i64>(value);
  if (level_ == Level::kShape) {
    if (static_cast<i64>(entry().shape.size()) == kMaxAxes) {
      return refuse(fmt::format("{}: shape: more than {} axes", tensor(), kMaxAxes));
    }
    entry().shape.push_back(number);
    return true;
  }
  if (offsets_ == 2) return refuse(unexpected("a third"));
  (offsets_++ == 0 ? entry().begin : entry().end) = number;
  return true;
}

bool HeaderHandler::string(string_t& value) {
  if (level_ == Level::kMetadata) {
    if (!header_.metadata.emplace(metadata_key_, std::move(value)).second) {
      return refuse(
          fmt::format("__metadata__ has the key `{}` twice", sax::excerpt(metadata_key_)));
    }
    return true;
  }
  if (level_ != Level::kTensor || field_ != Field::kDtype) {
    return scalar(fmt::format("a string \"{}\"", sax::excerpt(value)));
  }
  const auto dtype = dtype_from_name(value);
  if (!dtype) {
    return refuse(
        fmt::format("{}: dtype: found {}, which is not supported", tensor(), sax::excerpt(value)));
  }
  entry().dtype = *dtype;
  return true;
}

bool HeaderHandler::start_object(size_t) {
  switch (level_) {
    case Level::kStart:
      level_ = Level::kTop;
      return true;
    case Level::kTop:
      level_ = at_metadata_ ? Level::kMetadata : Level::kTensor;
      return true;
    case Level::kIgnored:
      return ++ignored_depth_ <= kMaxIgnoredDepth ? true : refuse("nested too deeply");
    case Level::kTensor:
      if (field_ == Field::kOther) return ignore();
      [[fallthrough]];
    default:
      return refuse(unexpected("an object"));
  }
}

bool HeaderHandler::end_object() {
  switch (level_) {
    case Level::kTensor:
      level_ = Level::kTop;
      return finish_tensor();
    case Level::kMetadata:
      level_ = Level::kTop;
      return true;
    case Level::kIgnored:
      if (--ignored_depth_ == 0) level_ = Level::kTensor;
      return true;
    default:
      return true;
  }
}

bool HeaderHandler::start_array(size_t) {
  if (level_ == Level::kIgnored) {
    return ++ignored_depth_ <= kMaxIgnoredDepth ? true : refuse("nested too deeply");
  }
  if (level_ != Level::kTensor || field_ == Field::kDtype) return refuse(unexpected("an array"));
  if (field_ == Field::kOther) return ignore();
  level_ = field_ == Field::kShape ? Level::kShape : Level::kOffsets;
  offsets_ = 0;
  return true;
}

bool HeaderHandler::end_array() {
  if (level_ == Level::kIgnored) {
    if (--ignored_depth_ == 0) level_ = Level::kTensor;
    return true;
  }
  if (level_ == Level::kOffsets && offsets_ != 2) {
    return refuse(unexpected(fmt::format("{}", offsets_)));
  }
  level_ = Level::kTensor;
  return true;
}

bool HeaderHandler::key(string_t& value) {
  switch (level_) {
    case Level::kTop:
      at_metadata_ = value == "__metadata__";
      if (at_metadata_) {
        return std::exchange(seen_metadata_, true) ? refuse("__metadata__ stands there twice")
                                                   : true;
      }
      if (static_cast<i64>(header_.entries.size()) == kMaxTensors) {
        return refuse(fmt::format("more than {} tensors", kMaxTensors));
      }
      header_.entries.emplace_back().name = std::move(value);
      seen_ = {};
      return true;
    case Level::kMetadata:
      metadata_key_ = std::move(value);
      return true;
    case Level::kTensor:
      field_ = value == "dtype"          ? Field::kDtype
               : value == "shape"        ? Field::kShape
               : value == "data_offsets" ? Field::kOffsets
                                         : Field::kOther;
      if (field_ != Field::kOther && std::exchange(seen_[static_cast<size_t>(field_)], true)) {
        return refuse(fmt::format("{}: {} stands there twice", tensor(), value));
      }
      return true;
    default:
      return true;
  }
}

bool HeaderHandler::finish_tensor() {
  constexpr std::array<std::string_view, 3> kFields = {"dtype", "shape", "data_offsets"};
  for (size_t i = 0; i < kFields.size(); ++i) {
    if (!seen_[i]) return refuse(fmt::format("{}: {}: missing", tensor(), kFields[i]));
  }
  return true;
}

}  // namespace

Result<Header> parse_header_json(std::string_view text, const std::string& where) {
  HeaderHandler handler;
  if (auto parsed = sax::parse(text, where, handler); !parsed) {
    return tl::unexpected(std::move(parsed.error()));
  }
  return handler.take();
}

}  // namespace fathom::io
