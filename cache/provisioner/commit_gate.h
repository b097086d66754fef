// Keeps collection and commits apart. A commit makes a tree and then a tenant
// that refers to it; in between, the tree looks like one that nobody uses, and
// what is being unpacked looks like something left behind.
//
// Commits (any number at once) wait while a sweep runs; a sweep never waits:
// it does not begin while there are commits. Thread-safe.
//
//   CommitGate::Commit commit(gate);       // until the end of the scope
//   if (gate.TryBeginSweep()) { ...; gate.EndSweep(); }
#ifndef CACHE_PROVISIONER_COMMIT_GATE_H_
#define CACHE_PROVISIONER_COMMIT_GATE_H_

#include "base/mutex.h"

namespace oneagent {

class CommitGate {
 public:
  class Commit {
   public:
    explicit Commit(CommitGate& gate);
    ~Commit();
    Commit(const Commit&) = delete;
    Commit& operator=(const Commit&) = delete;

   private:
    CommitGate& gate_;
  };

  bool TryBeginSweep();
  void EndSweep();

 private:
  Mutex mu_;
  CondVar swept_;
  int commits_ ABSL_GUARDED_BY(mu_) = 0;
  bool sweeping_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_COMMIT_GATE_H_
