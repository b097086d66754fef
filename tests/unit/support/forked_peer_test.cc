// Either side of a ForkedPeer must see the other's death: a test that waits for
// ever says nothing.
#include "tests/support/forked_peer.h"

#include <signal.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace oneagent {
namespace {

TEST(ForkedPeer, TakesTurns) {
  ForkedPeer peer([](Turns& test) {
    return test.Say() && test.Hear() && test.Say() ? 7 : 1;
  });
  EXPECT_TRUE(peer.Hear());
  EXPECT_TRUE(peer.Say());
  EXPECT_TRUE(peer.Hear());
  EXPECT_EQ(peer.Wait(), 7);
}

TEST(ForkedPeer, DeathOfTheChildIsHeard) {
  ForkedPeer peer([](Turns& test) {
    test.Say();
    return 3;
  });
  EXPECT_TRUE(peer.Hear());
  EXPECT_FALSE(peer.Hear());
  EXPECT_EQ(peer.Wait(), 3);
  EXPECT_FALSE(peer.Say());
}

TEST(ForkedPeer, KilledChildHasNoExitCode) {
  ForkedPeer peer([](Turns&) { return raise(SIGKILL); });
  EXPECT_FALSE(peer.Hear());
  EXPECT_EQ(peer.Wait(), -1);
}

TEST(ForkedPeer, ChildThatIsNotWaitedForDoesNotOutliveIt) {
  pid_t child = 0;
  {
    ForkedPeer peer([](Turns& test) { return test.Hear() ? 0 : 1; });
    child = peer.pid();
    EXPECT_EQ(kill(child, 0), 0);
  }
  EXPECT_EQ(kill(child, 0), -1);
}

}  // namespace
}  // namespace oneagent
