#include "tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "io/downloaded.h"
#include "io/files/atomic_file.h"
#include "io/gguf/file.h"
#include "io/mapped_file.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/gguf/gguf_tokenizer.h"
#include "tokenizer/json/declared_tokens.h"
#include "tokenizer/piece_encoder.h"
#include "tokenizer/tiktoken.h"
#include "tokenizer/token_table.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

/// The added tokens that one kind of text recognises, in the two rounds in which they are matched.
struct AddedTokenRounds {
  AddedTokenMatcher first;   // normalized: false, in the text as it is
  AddedTokenMatcher second;  // normalized: true, in what is left, normalised
};

AddedTokenRounds rounds_of(const std::vector<AddedToken>& tokens, const Normalizer& normalizer) {
  std::vector<AddedToken> first, second;
  std::string storage;
  for (const AddedToken& token : tokens) {
    if (!token.normalized) {
      first.push_back(token);
      continue;
    }
    second.push_back(token);
    second.back().content = normalizer.apply(token.content, storage);
  }
  return {AddedTokenMatcher(std::move(first)), AddedTokenMatcher(std::move(second))};
}

/// Throws Error{kInvalidInput} for the first byte of `segment` without a token. The segment is a
/// part of `text` or, if that was changed, of its normalised form.
void require_tokens(const TokenTable& table, std::string_view text, std::string_view segment) {
  const auto at = std::ranges::find_if(segment, [&](char byte) { return table.is_missing(byte); });
  if (at == segment.end()) return;
  const std::less_equal<const char*> not_after;
  const bool is_in_text =
      not_after(text.data(), &*at) && not_after(&*at, text.data() + text.size() - 1);
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("byte 0x{:02X} {}of the text has no token in this tokenizer's "
                          "vocabulary, and the tokenizer names no unk_token",
                          static_cast<u8>(*at),
                          is_in_text ? fmt::format("at position {} ", &*at - text.data()) : ""));
}

/// How one kind of text becomes ids.
struct Route {
  AddedTokenRounds added_tokens;
  // Shared: both kinds of text use one encoder unless a merge can arrive at a control token.
  std::shared_ptr<const PieceEncoder> pieces;

  void encode(const TokenizerSpec& spec, const TokenTable& table, std::string_view text,
              std::vector<i32>& ids) const {
    const PreTokenizer& pre_tokenizer = spec.pre_tokenizer;
    const bool may_fail = table.is_incomplete() && !spec.unk_id;
    PieceEncoder::Session session(*pieces);
    const auto encode_rest = [&](TextSegment segment) {
      if (segment.token_id >= 0) return ids.push_back(segment.token_id);
      if (may_fail) require_tokens(table, text, segment.text);
      pre_tokenizer.split(segment.text,
                          [&](std::string_view piece) { session.encode(piece, ids); });
    };
    std::string storage;
    added_tokens.first.split(text, [&](TextSegment segment) {
      if (segment.token_id >= 0) return ids.push_back(segment.token_id);
      added_tokens.second.split(spec.normalizer.apply(segment.text, storage), encode_rest);
    });
  }
};

std::string_view text_of(const io::MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

Result<TokenizerSpec> read_spec(const std::string& path) {
  const Result<io::MappedFile> file = io::open_downloaded(path);
  if (!file) return tl::unexpected(file.error());
  return parse_tokenizer_json(text_of(*file), path);
}

}  // namespace

struct Tokenizer::Impl {
  explicit Impl(TokenizerSpec content) : spec(std::move(content)) {}

  TokenizerSpec spec;
  TokenTable table;  // views into spec
  Route markup;
  Route plain;

  Result<void> build(const std::string& where);
};

Result<void> Tokenizer::Impl::build(const std::string& where) {
  Result<TokenTable> built = TokenTable::build(spec, where);
  if (!built) return tl::unexpected(built.error());
  table = std::move(*built);
  for (const std::vector<i32>* ids : {&spec.prefix_ids, &spec.suffix_ids}) {
    for (const i32 id : *ids) {
      if (!table.has(id)) {
        return invalid_input(
            fmt::format("{}: post_processor: id {} is outside the vocabulary", where, id));
      }
    }
  }
  using Control = PieceEncoder::ControlTokens;
  auto pieces = PieceEncoder::build(spec, table, Control::kAllowed, where);
  if (!pieces) return tl::unexpected(pieces.error());
  auto plain_pieces = PieceEncoder::can_reach_control(spec, table)
                          ? PieceEncoder::build(spec, table, Control::kExcluded, where)
                          : pieces;
  if (!plain_pieces) return tl::unexpected(plain_pieces.error());
  std::vector<AddedToken> harmless;
  std::copy_if(spec.added_tokens.begin(), spec.added_tokens.end(), std::back_inserter(harmless),
               [&](const AddedToken& token) { return !table.is_control(token.id); });
  markup = {rounds_of(spec.added_tokens, spec.normalizer), std::move(*pieces)};
  plain = {rounds_of(harmless, spec.normalizer), std::move(*plain_pieces)};
  return {};
}

Result<Tokenizer> Tokenizer::load(const std::string& path) {
  Result<TokenizerSpec> spec = read_spec(path);
  if (!spec) return tl::unexpected(spec.error());
  return from_spec(std::move(*spec), path);
}

Result<Tokenizer> Tokenizer::load_model(const std::string& path) {
  if (io::gguf::is_gguf(path)) {
    const auto file = io::gguf::File::open(path);
    if (!file) return tl::unexpected(file.error());
    Result<TokenizerSpec> spec = gguf_tokenizer_spec(file->metadata());
    if (!spec) return tl::unexpected(spec.error());
    return from_spec(std::move(*spec), file->metadata().file_name());
  }
  return std::filesystem::is_regular_file(path) ? load(path) : load_directory(path);
}

Result<Tokenizer> Tokenizer::load_directory(const std::string& directory) {
  const auto config = load_tokenizer_config(directory);
  const bool has_config = config.has_value();
  if (!has_config && config.error().code() != ErrorCode::kNotFound) {
    return tl::unexpected(config.error());
  }
  const std::string usual_path = directory + "/tokenizer.json";
  auto usual = read_spec(usual_path);
  if (usual) {
    if (has_config) {
      auto done = add_declared_tokens(*config, directory + "/tokenizer_config.json", *usual);
      if (!done) return tl::unexpected(done.error());
    }
    return from_spec(std::move(*usual), usual_path);
  }
  const std::string path = directory + "/tiktoken.model";
  const Result<io::MappedFile> file = io::open_downloaded(path);
  // The usual file is the one to name as missing.
  if (usual.error().code() != ErrorCode::kNotFound || !file) return tl::unexpected(usual.error());
  if (!has_config) return tl::unexpected(config.error());
  Result<TokenizerSpec> spec = parse_tiktoken_model(text_of(*file), *config, path);
  if (!spec) return tl::unexpected(spec.error());
  return from_spec(std::move(*spec), path);
}

Result<Tokenizer> Tokenizer::from_spec(TokenizerSpec spec, std::string_view where) {
  auto impl = std::make_unique<Impl>(std::move(spec));
  if (Result<void> done = impl->build(std::string(where)); !done) {
    return tl::unexpected(done.error());
  }
  return Tokenizer(std::move(impl));
}

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<i32> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<i32> ids;
  encode_to(text, options, ids);
  return ids;
}

void Tokenizer::encode_to(std::string_view text, EncodeOptions options,
                          std::vector<i32>& ids) const {
  if (text.size() > kMaxTextBytes) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("a text of {} bytes; at most {} can be encoded at once", text.size(),
                            kMaxTextBytes));
  }
  std::string repaired;
  const std::string_view valid = valid_utf8(text, repaired);
  const Route& route = options.text == TextKind::kMarkup ? impl_->markup : impl_->plain;
  const TokenizerSpec& spec = impl_->spec;
  if (options.add_special_tokens) {
    ids.insert(ids.end(), spec.prefix_ids.begin(), spec.prefix_ids.end());
  }
  route.encode(spec, impl_->table, valid, ids);
  if (options.add_special_tokens) {
    ids.insert(ids.end(), spec.suffix_ids.begin(), spec.suffix_ids.end());
  }
}

std::string Tokenizer::decode(std::span<const i32> ids, SpecialTokens special) const {
  std::string bytes;
  for (const i32 id : ids) {
    if (special == SpecialTokens::kKeep || !is_special(id)) bytes += impl_->table.bytes(id);
  }
  std::string repaired;
  return std::string(valid_utf8(bytes, repaired));
}

i64 Tokenizer::vocab_size() const { return impl_->table.size(); }
std::optional<i32> Tokenizer::token_to_id(std::string_view spelling) const {
  return impl_->table.find(spelling);
}
std::string_view Tokenizer::token_bytes(i32 id) const { return impl_->table.bytes(id); }
std::string_view Tokenizer::token_spelling(i32 id) const { return impl_->table.spelling(id); }
bool Tokenizer::is_special(i32 id) const { return impl_->table.is_special(id); }
bool Tokenizer::is_control(i32 id) const { return impl_->table.is_control(id); }

void Tokenizer::save(const std::string& path) const {
  const std::string text = write_tokenizer_json(impl_->spec);
  if (std::ssize(text) > kMaxTokenizerFileBytes) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: the tokenizer takes {} bytes, and at most {} can be read back; "
                            "train one with fewer or shorter tokens",
                            path, text.size(), kMaxTokenizerFileBytes));
  }
  io::write_file_atomically(path, text);
}
const TokenizerSpec& Tokenizer::spec() const { return impl_->spec; }

}  // namespace fathom::tokenizer
