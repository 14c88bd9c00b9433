#pragma once
#include <memory>
#include <string>
#include <vector>

#include "serve/api/completions/completion_request.h"
#include "serve/generate/run.h"

namespace fathom::serve {

/// The answer to one completion request, known before its first token.
struct CompletionReply {
  const ServedModel& model;
  CompletionOptions options;
  std::vector<CompletionPrompt> prompts;
  std::string id;  // "cmpl-..."
  i64 created = 0;
};

std::unique_ptr<http::BodyStream> stream_completion(CompletionReply reply, std::unique_ptr<Run> run,
                                                    const std::string& request_id);
std::unique_ptr<http::LateResponse> whole_completion(CompletionReply reply,
                                                     std::unique_ptr<Run> run,
                                                     const std::string& request_id);

}  // namespace fathom::serve
