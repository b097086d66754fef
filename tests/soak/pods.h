// All pods of the node: some threads, each of which plays several lives in
// turn. Thread-safe.
#ifndef TESTS_SOAK_PODS_H_
#define TESTS_SOAK_PODS_H_

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "tests/soak/pod_life.h"

namespace oneagent {

class Pods {
 public:
  struct Options {
    uint64_t seed = 0;
    int actors = 16;
    int lives_of_each = 6;
  };
  // `world` is borrowed.
  Pods(const Options& options, const World& world);
  // Lets no life end; see Drain.
  ~Pods();
  Pods(const Pods&) = delete;
  Pods& operator=(const Pods&) = delete;

  // Ends every life as it should end and begins none; false when that takes
  // longer than `limit`.
  bool Drain(absl::Duration limit);
  void Resume();

 private:
  enum class Mode { kRun, kDrain, kStop };

  struct Actor {
    explicit Actor(const std::string& socket)
        : client(socket, TestCsiClient::Connections::kOnePerCall) {}
    TestCsiClient client;
    int64_t born = 0;
    std::vector<std::unique_ptr<PodLife>> lives;
    bool is_idle = false;  // under mu_
  };

  void Play(int number);
  // False when it had nothing to do.
  bool PlayRound(int number, Mode mode);
  Mode WaitForWork(Actor& actor, bool is_idle);

  const Options options_;
  const World& world_;
  std::vector<std::unique_ptr<Actor>> actors_;
  Mutex mu_;
  CondVar changed_;
  Mode mode_ ABSL_GUARDED_BY(mu_) = Mode::kRun;
  std::vector<std::thread> threads_;  // last: use the others
};

}  // namespace oneagent

#endif  // TESTS_SOAK_PODS_H_
