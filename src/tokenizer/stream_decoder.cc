#include "tokenizer/stream_decoder.h"

#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {

std::string_view StreamDecoder::push(i32 id) {
  if (special_ == SpecialTokens::kSkip && tokenizer_->is_special(id)) return {};
  pending_ += tokenizer_->token_bytes(id);
  // All but an unfinished character at the end can go out.
  size_t done = 0;
  while (true) {
    const std::string_view rest = std::string_view(pending_).substr(done);
    done += valid_utf8_prefix_bytes(rest);
    if (done == pending_.size()) break;
    const Utf8Defect defect = utf8_defect(std::string_view(pending_).substr(done));
    if (defect.truncated) break;
    done += defect.num_bytes;
  }
  text_.assign(valid_utf8(std::string_view(pending_).substr(0, done), repaired_));
  pending_.erase(0, done);
  return text_;
}

std::string_view StreamDecoder::finish() {
  text_.assign(valid_utf8(pending_, repaired_));
  pending_.clear();
  return text_;
}

}  // namespace fathom::tokenizer
