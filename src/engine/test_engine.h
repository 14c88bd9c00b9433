#pragma once
// For the engine's tests: requests, alone or together, and what came of them.
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/client.h"
#include "engine/test_masks.h"
#include "engine/test_models.h"

namespace fathom::engine {

/// What came out of one choice.
struct Answer {
  std::vector<i32> ids;
  std::vector<double> log_probs;
  std::string text;
  std::optional<FinishReason> reason;
  bool operator==(const Answer&) const = default;
};

/// Sorts news by choice.
inline void take(const Events& news, std::vector<Answer>& answers) {
  size_t at = 0;
  for (const Event& event : news.events) {
    Answer& answer = answers[static_cast<size_t>(event.choice)];
    EXPECT_FALSE(answer.reason) << "an event after the end";
    const auto length = static_cast<size_t>(event.text_bytes);
    answer.text += news.text.substr(at, length);
    at += length;
    if (event.kind == Event::Kind::kToken) {
      answer.ids.push_back(event.id);
      answer.log_probs.push_back(event.log_prob);
    } else if (event.kind == Event::Kind::kFinish) {
      answer.reason = event.reason;
    }
  }
}

/// Reads what a stream has.
inline void collect(Stream& stream, std::vector<Answer>& answers) {
  Events news;
  while (stream.try_read(news)) take(news, answers);
}

/// The answers of a request that nothing disturbs.
inline std::vector<Answer> run_alone(Engine& engine, const GenerateRequest& request) {
  const Submission submission = value_or_throw(engine.submit(request));
  std::vector<Answer> answers(static_cast<size_t>(request.num_choices));
  while (!submission.stream->done()) {
    engine.step();
    collect(*submission.stream, answers);
  }
  return answers;
}

/// What a request got, and what it took.
struct Outcome {
  std::vector<Answer> answers;
  RequestStats stats;
};

/// Submits all at once and steps until all have ended.
inline std::vector<Outcome> run_together(Engine& engine,
                                         std::span<const GenerateRequest> requests) {
  std::vector<std::shared_ptr<Stream>> streams;
  std::vector<Outcome> outcomes(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    streams.push_back(value_or_throw(engine.submit(requests[i])).stream);
    EXPECT_NE(streams.back(), nullptr) << "refused";
    outcomes[i].answers.resize(static_cast<size_t>(requests[i].num_choices));
  }
  while (engine.step()) {
    for (size_t i = 0; i < streams.size(); ++i) collect(*streams[i], outcomes[i].answers);
  }
  for (size_t i = 0; i < streams.size(); ++i) {
    collect(*streams[i], outcomes[i].answers);
    EXPECT_TRUE(streams[i]->done()) << "request " << i;
    outcomes[i].stats = streams[i]->stats();
  }
  return outcomes;
}
inline Outcome run_one(Engine& engine, const GenerateRequest& request) {
  return run_together(engine, {&request, 1}).front();
}

}  // namespace fathom::engine
