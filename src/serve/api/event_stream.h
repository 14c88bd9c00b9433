#pragma once
// What the streams of all chat dialects do alike: they turn what the engine has, when the
// connection asks, into server-sent events.
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "serve/generate/run.h"
#include "serve/http/response.h"

namespace fathom::serve {

class EventStream : public http::BodyStream, protected GenerationSink {
 public:
  EventStream(std::unique_ptr<Run> run, std::string request_id)
      : run_(std::move(run)), request_id_(std::move(request_id)) {}

  void on_news(std::function<void()> wake) override { run_->on_news(std::move(wake)); }

  State pull(std::string& out) override {
    out_ = &out;
    if (!std::exchange(pulled_, true)) open_stream();
    tell_progress();
    const bool done = run_->pump(0, *this);
    flush();
    if (!done) return State::kMore;
    end();
    return State::kEnd;
  }

 protected:
  /// What is said before the engine has anything.
  virtual void open_stream() {}
  /// How far the prompt is, for clients that want to know.
  virtual void tell_progress() {}
  /// The text that came and is not written yet.
  virtual void flush() = 0;
  virtual void end() = 0;

  std::unique_ptr<Run> run_;
  std::string request_id_;
  std::string* out_ = nullptr;  // where events go

 private:
  bool pulled_ = false;
};

}  // namespace fathom::serve
