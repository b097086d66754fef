// A cgroup of the test's own, with one controller of either version. Needs
// root, and a hierarchy that may be written to, as in a build's container.
//
//   const Cgroup cgroup("memory");
//   cgroup.Write(cgroup.is_v1() ? "memory.limit_in_bytes" : "memory.max", "…");
//   Daemon daemon(argv, log, [&] { cgroup.Enter(); });
//
// Nothing may run in it any more when it is destroyed, which removes it. A
// cgroup that cannot be made, or not be removed, fails the test.
#ifndef TESTS_SUPPORT_CGROUP_H_
#define TESTS_SUPPORT_CGROUP_H_

#include <sys/types.h>

#include <string>

namespace oneagent {

class Cgroup {
 public:
  explicit Cgroup(const std::string& controller);
  ~Cgroup();
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  bool is_v1() const { return is_v1_; }
  void Write(const std::string& file, const std::string& text) const;
  std::string Read(const std::string& file) const;

  // This process, and what it starts from now on.
  void Enter() const { Write("cgroup.procs", "0"); }
  bool Has(pid_t pid) const;

 private:
  const bool is_v1_;
  const std::string dir_;
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_CGROUP_H_
