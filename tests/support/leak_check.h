// Fails the test in whose scope it stands when descriptors or mounts are left
// at its end: declare it as the fixture's first member.
#ifndef TESTS_SUPPORT_LEAK_CHECK_H_
#define TESTS_SUPPORT_LEAK_CHECK_H_

#include <string>
#include <vector>

namespace oneagent {

class LeakCheck {
 public:
  LeakCheck();
  ~LeakCheck();
  LeakCheck(const LeakCheck&) = delete;
  LeakCheck& operator=(const LeakCheck&) = delete;

 private:
  const std::vector<std::string> descriptors_;
  const std::vector<std::string> mounts_;
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_LEAK_CHECK_H_
