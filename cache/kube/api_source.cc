#include "cache/kube/api_source.h"

#include <utility>

#include "absl/random/random.h"
#include "base/deadline.h"

namespace oneagent {
namespace {

// One change is often several events; one list is enough.
constexpr absl::Duration kQuiet = absl::Milliseconds(50);

}  // namespace

ApiSource::ApiSource(ApiClient& client, Options options)
    : client_(client),
      longest_first_list_(options.start_jitter + options.longest_first_list) {
  absl::BitGen random;
  const absl::Duration delay =
      options.start_jitter * absl::Uniform(random, 0.0, 1.0);
  client_.RunAndWait([&] {
    mirror_ = std::make_unique<ClusterMirror>(
        client_,
        ClusterMirror::Options{.namespace_name = options.namespace_name,
                               .timing = options.timing,
                               .discovery_period = options.discovery_period,
                               .on_change = [this] { OnChange(); }});
    start_timer_ = client_.After(delay, [this] { mirror_->Start(); });
  });
}

ApiSource::~ApiSource() {
  client_.RunAndWait([this] {
    client_.CancelTimer(start_timer_);
    client_.CancelTimer(change_timer_);
    mirror_.reset();
  });
}

void ApiSource::OnChange() {
  if (mirror_->IsSettled()) {
    MutexLock lock(mu_);
    is_settled_ = true;
    cv_.NotifyAll();
  }
  if (change_timer_ != 0) return;
  change_timer_ = client_.After(kQuiet, [this] {
    change_timer_ = 0;
    MutexLock lock(mu_);
    is_changed_ = true;
    cv_.NotifyAll();
  });
}

void ApiSource::WaitUntilSettled() {
  const Deadline deadline(longest_first_list_);
  MutexLock lock(mu_);
  while (!is_settled_ && !is_interrupted_ && !deadline.IsOver()) {
    cv_.WaitFor(mu_, deadline.Left());
  }
  is_settled_ = true;  // it is not waited for again
}

absl::StatusOr<ClusterState> ApiSource::List() {
  WaitUntilSettled();
  {
    MutexLock lock(mu_);
    is_changed_ = false;
  }
  absl::StatusOr<ClusterState> state = absl::UnavailableError("not listed yet");
  client_.RunAndWait([&] { state = mirror_->Snapshot(); });
  return state;
}

bool ApiSource::WaitForChange(absl::Duration timeout) {
  const Deadline deadline(timeout);
  MutexLock lock(mu_);
  while (!is_changed_ && !is_interrupted_ && !deadline.IsOver()) {
    cv_.WaitFor(mu_, deadline.Left());
  }
  is_interrupted_ = false;
  return is_changed_;
}

absl::Status ApiSource::WatchHealth() {
  absl::Status health;
  client_.RunAndWait([&] { health = mirror_->WatchHealth(); });
  return health;
}

void ApiSource::Interrupt() {
  MutexLock lock(mu_);
  is_interrupted_ = true;
  cv_.NotifyAll();
}

}  // namespace oneagent
