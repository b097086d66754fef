// The floor of a publish and an unpublish: the same system calls in this
// process, and nothing else (no RPC, no index, no checks).
#ifndef TESTS_BENCH_FLOOR_H_
#define TESTS_BENCH_FLOOR_H_

#include <memory>
#include <string>

#include "overlay/kernel_mounter.h"
#include "overlay/target_resolver.h"
#include "tests/bench/bench_node.h"

namespace oneagent {

class Floor {
 public:
  // `node` is borrowed.
  explicit Floor(BenchNode& node);

  // Resolve the target, statx, four directories, one record, the overlay,
  // statx. Abort on error.
  void Publish(const CsiPublishCall& call);
  // Resolve, umount, statx, rmdir, rename to trash.
  void Unpublish(const CsiPublishCall& call);

 private:
  BenchNode& node_;
  KernelMounter mounter_;
  std::unique_ptr<TargetResolver> targets_;
};

}  // namespace oneagent

#endif  // TESTS_BENCH_FLOOR_H_
