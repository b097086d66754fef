#include "tests/soak/pods.h"

#include <algorithm>

#include "absl/time/clock.h"

namespace oneagent {

Pods::Pods(const Options& options, const World& world)
    : options_(options), world_(world) {
  for (int i = 0; i < options_.actors; ++i) {
    actors_.push_back(std::make_unique<Actor>(world_.socket));
  }
  for (int i = 0; i < options_.actors; ++i) {
    threads_.emplace_back([this, i] { Play(i); });
  }
}

Pods::~Pods() {
  {
    MutexLock lock(mu_);
    mode_ = Mode::kStop;
    changed_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
}

bool Pods::Drain(absl::Duration limit) {
  const absl::Time deadline = absl::Now() + limit;
  MutexLock lock(mu_);
  for (const auto& actor : actors_) actor->is_idle = false;
  mode_ = Mode::kDrain;
  changed_.NotifyAll();
  const auto is_idle = [](const auto& actor) { return actor->is_idle; };
  while (!std::all_of(actors_.begin(), actors_.end(), is_idle)) {
    if (absl::Now() > deadline || world_.journal.is_over()) return false;
    changed_.WaitFor(mu_, absl::Milliseconds(100));
  }
  return true;
}

void Pods::Resume() {
  MutexLock lock(mu_);
  mode_ = Mode::kRun;
  changed_.NotifyAll();
}

Pods::Mode Pods::WaitForWork(Actor& actor, bool is_idle) {
  MutexLock lock(mu_);
  actor.is_idle = is_idle && mode_ == Mode::kDrain;
  if (actor.is_idle) changed_.NotifyAll();
  // A life may be waiting for its next try.
  if (is_idle && mode_ != Mode::kStop) {
    changed_.WaitFor(mu_, absl::Milliseconds(20));
  }
  return mode_;
}

void Pods::Play(int number) {
  Actor& actor = *actors_[static_cast<size_t>(number)];
  Mode mode = Mode::kRun;
  while (mode != Mode::kStop && !world_.journal.is_over()) {
    const bool has_worked = PlayRound(number, mode);
    mode = WaitForWork(actor, !has_worked && (actor.lives.empty()));
    if (!has_worked && !actor.lives.empty()) {
      absl::SleepFor(absl::Milliseconds(5));
    }
  }
}

bool Pods::PlayRound(int number, Mode mode) {
  Actor& actor = *actors_[static_cast<size_t>(number)];
  const bool is_draining = mode == Mode::kDrain;
  while (!is_draining &&
         static_cast<int>(actor.lives.size()) < options_.lives_of_each) {
    actor.lives.push_back(std::make_unique<PodLife>(
        world_, actor.client, PlanLife(options_.seed, number, actor.born++)));
  }
  bool has_worked = false;
  for (const std::unique_ptr<PodLife>& life : actor.lives) {
    if (life->not_before() > absl::Now()) continue;
    if (world_.journal.is_over()) return false;
    life->TakeStep(is_draining);
    has_worked = true;
  }
  std::erase_if(actor.lives, [](const auto& life) { return life->is_over(); });
  return has_worked;
}

}  // namespace oneagent
