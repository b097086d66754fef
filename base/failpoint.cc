#include "base/failpoint.h"

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "base/mutex.h"

namespace oneagent {

namespace failpoint_internal {
std::atomic<bool> any_armed{false};
}  // namespace failpoint_internal

namespace {

struct Armed {
  Mutex mu;
  std::map<std::string, std::function<void()>> actions ABSL_GUARDED_BY(mu);
};

// The one global of the program: a failpoint has no object to hang on. Never
// destroyed, so that a thread may still reach a point at exit.
Armed& TheArmed() {
  static Armed& armed = *new Armed;
  return armed;
}

}  // namespace

void failpoint_internal::Reached(absl::string_view name) {
  std::function<void()> action;
  {
    Armed& armed = TheArmed();
    MutexLock lock(armed.mu);
    const auto found = armed.actions.find(std::string(name));
    if (found == armed.actions.end()) return;
    action = found->second;
  }
  action();
}

void ArmFailpoint(const std::string& name, std::function<void()> action) {
  Armed& armed = TheArmed();
  MutexLock lock(armed.mu);
  armed.actions[name] = std::move(action);
  failpoint_internal::any_armed.store(true, std::memory_order_relaxed);
}

void DisarmFailpoints() {
  Armed& armed = TheArmed();
  MutexLock lock(armed.mu);
  armed.actions.clear();
  failpoint_internal::any_armed.store(false, std::memory_order_relaxed);
}

}  // namespace oneagent
