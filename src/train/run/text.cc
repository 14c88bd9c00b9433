#include "train/run/text.h"

#include <fmt/format.h>

#include <filesystem>

#include "data/data_loader.h"

namespace fathom::train {
RunText load_run_text(RunSetup& setup) {
  const std::string& path = setup.config.model.tokenizer_path();
  tokenizer::Tokenizer tokenizer = value_or_throw(tokenizer::Tokenizer::load_model(path));
  if (tokenizer.vocab_size() > setup.model.vocab_size) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("{} has {} ids, but vocab_size is {} in {}", path, tokenizer.vocab_size(),
                    setup.model.vocab_size, setup.config.model.config_path()));
  }
  const DataConfig& data = setup.config.data;
  if (const auto bos = tokenizer.token_to_id(data.bos_token)) setup.model.bos_token_id = *bos;
  if (const auto eos = tokenizer.token_to_id(data.eos_token)) setup.model.eos_token_id = {*eos};
  std::vector<i32> text_bytes = data::text_bytes_of_ids(tokenizer);
  text_bytes.resize(static_cast<size_t>(setup.model.vocab_size), 0);
  return {std::move(tokenizer), std::move(text_bytes)};
}

}  // namespace fathom::train
