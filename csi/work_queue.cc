#include "csi/work_queue.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/mutex.h"

namespace oneagent {

// A task is, in this order: queued (in `tasks`), runnable (also in `runnable`:
// nothing of its key is before it or running), taken (out of all of them).
struct WorkQueue::State {
  explicit State(size_t most) : max_workers(most) {}

  struct Key {
    bool running = false;
    std::deque<uint64_t> queued;  // oldest first
  };

  void Work();
  void Expire();
  Task Take(uint64_t ticket) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void MakeRunnable(const std::string& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void Finished(const std::string& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    return tasks.empty() && running == 0 && expiring == 0;
  }

  const size_t max_workers;

  mutable Mutex mu;
  CondVar work_cv;    // something is runnable, or the end
  CondVar expire_cv;  // an earlier deadline, or the end
  CondVar idle_cv;    // Idle() became true
  // Tickets count up, so their order is the order of submission.
  uint64_t next_ticket ABSL_GUARDED_BY(mu) = 0;
  // When the expirer looks again by itself.
  absl::Time expirer_wakes ABSL_GUARDED_BY(mu) = absl::InfiniteFuture();
  std::map<uint64_t, Task> tasks ABSL_GUARDED_BY(mu);
  std::set<uint64_t> runnable ABSL_GUARDED_BY(mu);
  std::set<std::pair<absl::Time, uint64_t>> deadlines ABSL_GUARDED_BY(mu);
  std::unordered_map<std::string, Key> keys ABSL_GUARDED_BY(mu);
  int64_t running ABSL_GUARDED_BY(mu) = 0;
  int64_t expiring ABSL_GUARDED_BY(mu) = 0;
  size_t idle_workers ABSL_GUARDED_BY(mu) = 0;
  bool draining ABSL_GUARDED_BY(mu) = false;
  bool ended ABSL_GUARDED_BY(mu) = false;
  // Started as they are needed: a node at rest has none.
  std::vector<std::thread> workers ABSL_GUARDED_BY(mu);
  std::thread expirer ABSL_GUARDED_BY(mu);
};

WorkQueue::Task WorkQueue::State::Take(uint64_t ticket) {
  const auto it = tasks.find(ticket);
  Task task = std::move(it->second);
  tasks.erase(it);
  runnable.erase(ticket);
  deadlines.erase({task.deadline, ticket});
  Key& key = keys[task.key];
  key.queued.erase(std::find(key.queued.begin(), key.queued.end(), ticket));
  return task;
}

void WorkQueue::State::MakeRunnable(const std::string& key) {
  const auto it = keys.find(key);
  if (it->second.running) return;
  if (it->second.queued.empty()) {
    keys.erase(it);
    return;
  }
  if (runnable.insert(it->second.queued.front()).second) work_cv.NotifyOne();
}

void WorkQueue::State::Finished(const std::string& key) {
  --running;
  keys[key].running = false;
  MakeRunnable(key);
  if (Idle()) idle_cv.NotifyAll();
}

void WorkQueue::State::Work() {
  mu.Lock();
  for (;;) {
    while (runnable.empty() && !ended) {
      ++idle_workers;
      work_cv.Wait(mu);
      --idle_workers;
    }
    if (runnable.empty()) break;
    Task task = Take(*runnable.begin());
    keys[task.key].running = true;
    ++running;
    mu.Unlock();
    // The expirer may be late; what nobody waits for any more is not begun.
    if (task.deadline <= absl::Now()) {
      task.expired();
    } else {
      task.run();
    }
    // What the callbacks hold is released outside of the mutex.
    const std::string key = std::move(task.key);
    task = Task();
    mu.Lock();
    Finished(key);
  }
  mu.Unlock();
}

void WorkQueue::State::Expire() {
  mu.Lock();
  while (!ended) {
    if (deadlines.empty()) {
      expirer_wakes = absl::InfiniteFuture();
      expire_cv.Wait(mu);
      continue;
    }
    const auto [deadline, ticket] = *deadlines.begin();
    const absl::Time now = absl::Now();
    if (deadline > now) {
      // Bounded, so that a wall clock that is set cannot make it sleep on.
      const absl::Duration nap = std::min(deadline - now, absl::Seconds(1));
      expirer_wakes = now + nap;
      expire_cv.WaitFor(mu, nap);
      continue;
    }
    Task task = Take(ticket);
    MakeRunnable(task.key);
    ++expiring;
    mu.Unlock();
    task.expired();
    task = Task();
    mu.Lock();
    --expiring;
    if (Idle()) idle_cv.NotifyAll();
  }
  mu.Unlock();
}

WorkQueue::WorkQueue(int workers)
    : state_(
          std::make_unique<State>(static_cast<size_t>(std::max(workers, 1)))) {}

WorkQueue::~WorkQueue() {
  Drain();
  std::vector<std::thread> threads;
  {
    MutexLock lock(state_->mu);
    state_->ended = true;
    threads.swap(state_->workers);
    if (state_->expirer.joinable()) {
      threads.push_back(std::move(state_->expirer));
    }
    state_->work_cv.NotifyAll();
    state_->expire_cv.NotifyAll();
  }
  for (std::thread& thread : threads) thread.join();
}

void WorkQueue::Submit(Task task) {
  State& state = *state_;
  {
    MutexLock lock(state.mu);
    if (!state.draining) {
      const uint64_t ticket = state.next_ticket++;
      const std::string key = task.key;
      state.keys[key].queued.push_back(ticket);
      const absl::Time deadline = task.deadline;
      state.deadlines.emplace(deadline, ticket);
      state.tasks.emplace(ticket, std::move(task));
      state.MakeRunnable(key);
      const bool needs_worker = state.idle_workers < state.runnable.size();
      if (needs_worker && state.workers.size() < state.max_workers) {
        state.workers.emplace_back([&state] { state.Work(); });
      }
      // An idle worker has been woken for each runnable task: then nothing
      // waits, and the expirer need not wake for every call.
      const bool waits = needs_worker || state.runnable.count(ticket) == 0;
      if (!state.expirer.joinable()) {
        state.expirer = std::thread([&state] { state.Expire(); });
      } else if (waits && deadline < state.expirer_wakes) {
        state.expire_cv.NotifyOne();
      }
      return;
    }
  }
  task.expired();
}

void WorkQueue::Drain() {
  MutexLock lock(state_->mu);
  state_->draining = true;
  while (!state_->Idle()) state_->idle_cv.Wait(state_->mu);
}

int64_t WorkQueue::running() const {
  MutexLock lock(state_->mu);
  return state_->running;
}

int64_t WorkQueue::waiting() const {
  MutexLock lock(state_->mu);
  return static_cast<int64_t>(state_->tasks.size());
}

}  // namespace oneagent
