#include "engine/engine_thread.h"

#include <pthread.h>

#include <exception>

#include "base/log.h"

namespace fathom::engine {
namespace {

constexpr double kLookAroundS = 0.05;  // for the end of the thread, when there is nothing to do

}  // namespace

EngineThread::EngineThread(Engine& engine) : engine_(engine), thread_([this] { run(); }) {}

EngineThread::~EngineThread() {
  stopping_ = true;
  thread_.join();
}

void EngineThread::run() {
  ::pthread_setname_np(::pthread_self(), "engine");  // for top -H and the like
  while (!stopping_) {
    try {
      if (!engine_.step()) engine_.wait(kLookAroundS);
    } catch (const std::exception& fault) {  // ours; the server lives on
      log::error("a step of the engine failed: {}", fault.what());
      engine_.fail_all(fault.what());
    }
  }
}

}  // namespace fathom::engine
