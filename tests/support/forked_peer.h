// A forked child that takes turns with its test: each says when the other may
// go on. Whoever waits for one that has died is told so and does not wait for
// ever.
//
//   ForkedPeer peer([&](Turns& test) {
//     if (!test.Say() || !test.Hear()) return 1;   // "I am here"; "go on"
//     return CanStillRead() ? 0 : 2;
//   });
//   ASSERT_TRUE(peer.Hear());
//   …
//   ASSERT_TRUE(peer.Say());
//   EXPECT_EQ(peer.Wait(), 0);
#ifndef TESTS_SUPPORT_FORKED_PEER_H_
#define TESTS_SUPPORT_FORKED_PEER_H_

#include <sys/types.h>

#include <functional>

#include "base/unique_fd.h"

namespace oneagent {

class Turns {
 public:
  explicit Turns(UniqueFd socket);
  // False: the other is gone.
  bool Say();
  bool Hear();

 private:
  UniqueFd socket_;
};

class ForkedPeer {
 public:
  // `body` runs in the child; what it returns is the exit code.
  explicit ForkedPeer(const std::function<int(Turns&)>& body);
  ~ForkedPeer();  // kills a child that was not waited for
  ForkedPeer(const ForkedPeer&) = delete;
  ForkedPeer& operator=(const ForkedPeer&) = delete;

  bool Say() { return turns_.Say(); }
  bool Hear() { return turns_.Hear(); }
  pid_t pid() const { return child_; }
  // Its exit code; -1: it was killed.
  int Wait();

 private:
  Turns turns_;
  pid_t child_ = -1;
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_FORKED_PEER_H_
