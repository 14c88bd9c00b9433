#include "eval/model/request_runner.h"

#include <memory>
#include <utility>

namespace fathom::eval {
namespace {

constexpr size_t kMaxSubmitted = 128;  // below the engine's queue
constexpr double kWaitS = 0.01;

struct Running {
  size_t index = 0;
  std::shared_ptr<engine::Stream> stream;
};

void hand_on(Running& running, engine::Events& news, const OnEvent& on_event) {
  if (!running.stream->try_read(news)) return;
  size_t at = 0;
  for (const engine::Event& event : news.events) {
    const auto bytes = static_cast<size_t>(event.text_bytes);
    if (event.kind == engine::Event::Kind::kFinish &&
        event.reason == engine::FinishReason::kError) {
      throw Error(ErrorCode::kInvalidInput, running.stream->error());
    }
    on_event(running.index, event, std::string_view(news.text).substr(at, bytes));
    at += bytes;
  }
}

}  // namespace

void run_requests(engine::Engine& engine, std::vector<engine::GenerateRequest> requests,
                  const OnEvent& on_event, const std::atomic<bool>* interrupted) {
  std::vector<Running> running;
  engine::Events news;
  size_t next = 0;
  while (next < requests.size() || !running.empty()) {
    if (interrupted != nullptr && interrupted->load(std::memory_order_relaxed)) {
      for (const Running& each : running) each.stream->cancel();
      engine.step();
      throw EvaluationInterrupted();
    }
    while (next < requests.size() && running.size() < kMaxSubmitted) {
      engine::Submission submission = value_or_throw(engine.submit(requests[next]));
      if (submission.stream == nullptr) break;  // comes again when others are done
      running.push_back({next, std::move(submission.stream)});
      requests[next++] = {};
    }
    if (!engine.step()) engine.wait(kWaitS);
    for (Running& each : running) hand_on(each, news, on_event);
    std::erase_if(running, [](const Running& each) { return each.stream->done(); });
  }
}

}  // namespace fathom::eval
