// <call begin>function<sep>f⏎```json⏎{..}⏎```<call end>, <call begin>f<sep>{..}<call end> and
// <call begin>functions.f:0<arguments begin>{..}<call end>.
#include <algorithm>

#include "tokenizer/chat/answer/call_reader.h"
#include "tokenizer/chat/answer/json_scanner.h"
#include "tokenizer/chat/answer/mark_bytes.h"
#include "tokenizer/unicode/python_text.h"

namespace fathom::tokenizer {
namespace {

using Progress = CallReader::Progress;

constexpr size_t kMaxHeaderBytes = 1024;

void skip_space(std::string& text) {
  text.erase(0, std::min(text.find_first_not_of(kSpace), text.size()));
}

/// Without marks that stand inside, and white space around it.
std::string plain(std::string_view text) {
  const std::string unmarked = MarkBytes::without_tokens(text);
  return std::string(python_strip(unmarked));
}

/// Kimi's "functions.f:0" names f.
std::string_view name_in_id(std::string_view id) {
  constexpr std::string_view kPrefix = "functions.";
  if (id.starts_with(kPrefix)) id.remove_prefix(kPrefix.size());
  const size_t colon = id.rfind(':');
  const bool is_numbered = colon != std::string_view::npos && colon + 1 < id.size() &&
                           id.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
  return is_numbered && colon > 0 ? id.substr(0, colon) : id;
}

class MarkedCall : public CallReader {
 public:
  MarkedCall(ToolFormat format, const CallFrame& frame)
      : format_(format),
        header_marks_({frame.separator, frame.call_end, frame.section_end, frame.call_begin,
                       frame.section_begin}),
        raw_(frame),
        tail_(frame) {}

  Progress read(std::string& text, TextEnd end, PartWriter& out) override {
    while (true) {
      const Place before = place_;
      const Progress progress = read_place(text, end, out);
      if (progress != Progress::kMore || place_ == before) return progress;
    }
  }

 private:
  enum class Place { kHeader, kName, kFence, kArguments, kRaw, kTail };

  Progress read_place(std::string& text, TextEnd end, PartWriter& out) {
    switch (place_) {
      case Place::kHeader:
        return read_header(text, end);
      case Place::kName:
        return read_name(text, end, out);
      case Place::kFence:
        return skip_fence(text, end);
      case Place::kArguments:
        return read_arguments(text, end, out);
      case Place::kRaw:
        return raw_.read(text, end, out);
      case Place::kTail:
        return tail_.read(text, end);
    }
    return Progress::kDone;
  }

  /// Of a header that is not over.
  Progress without_name(std::string& text, TextEnd end) const {
    const size_t certain = text.size() - header_marks_.open_bytes(text);
    if (end == TextEnd::kOpen && certain <= kMaxHeaderBytes) return Progress::kMore;
    if (end == TextEnd::kCut) text.clear();
    return Progress::kNoCall;
  }

  /// Up to the separator.
  Progress read_header(std::string& text, TextEnd end) {
    const auto hit = header_marks_.find(text);
    if (!hit) return without_name(text, end);
    const std::string header = plain(std::string_view(text).substr(0, hit->begin));
    if (hit->mark != 0 || hit->begin > kMaxHeaderBytes || header.empty()) {
      return Progress::kNoCall;
    }
    header_ = header;
    text.erase(0, hit->end);
    place_ = Place::kName;
    return Progress::kMore;
  }

  /// Behind the separator: the name if the header says no more than "function", else arguments.
  Progress read_name(std::string& text, TextEnd end, PartWriter& out) {
    skip_space(text);
    if (text.empty() && end == TextEnd::kOpen) return Progress::kMore;
    const bool in_header =
        format_ == ToolFormat::kKimi || header_ != "function" || text.starts_with('{');
    if (in_header) {
      out.begin_call(format_ == ToolFormat::kKimi ? name_in_id(header_) : header_);
      place_ = Place::kArguments;
      return Progress::kMore;
    }
    const auto hit = header_marks_.find(text);
    const size_t line_end = std::min(text.find('\n'), hit ? hit->begin : std::string::npos);
    if (line_end == std::string::npos) return without_name(text, end);
    const std::string name = plain(std::string_view(text).substr(0, line_end));
    if (name.empty() || line_end > kMaxHeaderBytes) return Progress::kNoCall;
    out.begin_call(name);
    text.erase(0, line_end);
    place_ = Place::kFence;
    return Progress::kMore;
  }

  /// ```json and its line break.
  Progress skip_fence(std::string& text, TextEnd end) {
    constexpr std::string_view kFence = "```";
    skip_space(text);
    const Opening fence = opening(text, kFence);
    const auto hit = header_marks_.find(text);
    const size_t line_end = std::min(text.find_first_of("\n{"), hit ? hit->begin : text.npos);
    const bool may_go_on =
        fence == Opening::kPerhaps || (fence == Opening::kYes && line_end == std::string::npos);
    if (may_go_on && end == TextEnd::kOpen) return Progress::kMore;
    if (fence == Opening::kYes) text.erase(0, line_end);
    place_ = Place::kArguments;
    return Progress::kMore;
  }

  Progress read_arguments(std::string& text, TextEnd end, PartWriter& out) {
    if (scanner_.depth() == 0) {
      skip_space(text);
      if (text.empty() && end == TextEnd::kOpen) return Progress::kMore;
      if (text.empty() && end == TextEnd::kCut) {
        out.end_call(false);
        return Progress::kDone;
      }
    }
    size_t read = 0;
    JsonScanner::State state = JsonScanner::State::kMore;
    while (read < text.size() && state == JsonScanner::State::kMore) {
      state = scanner_.push(text[read]);
      if (state != JsonScanner::State::kBad) ++read;
    }
    out.arguments(std::string_view(text).substr(0, read));
    if (read > 0) raw_.set_begun();
    text.erase(0, read);
    if (state == JsonScanner::State::kDone) {
      out.end_call(true);
      place_ = Place::kTail;
    } else if (state == JsonScanner::State::kBad || (end != TextEnd::kOpen && read == 0)) {
      place_ = Place::kRaw;
    } else if (end != TextEnd::kOpen) {
      out.end_call(false);
      return Progress::kDone;
    }
    return Progress::kMore;
  }

  ToolFormat format_;
  MarkSearch header_marks_;
  RawArguments raw_;
  CallTail tail_;
  JsonScanner scanner_;
  std::string header_;
  Place place_ = Place::kHeader;
};

}  // namespace

std::unique_ptr<CallReader> read_marked_call(ToolFormat format, const CallFrame& frame) {
  return std::make_unique<MarkedCall>(format, frame);
}

}  // namespace fathom::tokenizer
