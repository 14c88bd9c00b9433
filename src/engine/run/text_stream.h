#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/stop_text.h"
#include "tokenizer/stream_decoder.h"

namespace fathom::engine {

/// Turns token ids into certain text: whole characters first, then the stop texts.
class TextStream {
 public:
  /// Without a tokenizer there is no text.
  TextStream(const tokenizer::Tokenizer* tokenizer, std::vector<std::string> stops)
      : filter_(std::move(stops)) {
    if (tokenizer != nullptr) decoder_.emplace(*tokenizer, tokenizer::SpecialTokens::kSkip);
  }

  /// The text that is certain now, until the next call; it ends before a stop text.
  std::string_view push(i32 id) {
    return decoder_ ? filter_.push(decoder_->push(id)) : std::string_view();
  }
  /// The same, of a token in whose text no stop text begins: of a thought, before what is watched.
  std::string_view push_unwatched(i32 id) {
    return decoder_ ? decoder_->push(id) : std::string_view();
  }
  /// What was held back.
  std::string finish() {
    if (!decoder_) return {};
    std::string text(filter_.push(decoder_->finish()));
    return text + filter_.finish();
  }
  /// A stop text is complete.
  bool stopped() const { return filter_.stopped(); }
  /// Which of them; -1: none.
  i32 stop_index() const { return filter_.matched(); }

 private:
  std::optional<tokenizer::StreamDecoder> decoder_;
  tokenizer::StopTextFilter filter_;
};

}  // namespace fathom::engine
