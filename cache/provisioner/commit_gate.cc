#include "cache/provisioner/commit_gate.h"

namespace oneagent {

CommitGate::Commit::Commit(CommitGate& gate) : gate_(gate) {
  MutexLock lock(gate_.mu_);
  while (gate_.sweeping_) gate_.swept_.Wait(gate_.mu_);
  ++gate_.commits_;
}

CommitGate::Commit::~Commit() {
  MutexLock lock(gate_.mu_);
  --gate_.commits_;
}

bool CommitGate::TryBeginSweep() {
  MutexLock lock(mu_);
  if (commits_ > 0 || sweeping_) return false;
  sweeping_ = true;
  return true;
}

void CommitGate::EndSweep() {
  MutexLock lock(mu_);
  sweeping_ = false;
  swept_.NotifyAll();
}

}  // namespace oneagent
