// The same end whatever the way to the API server does to the answers.
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/kube/kube_node_fixture.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tls_fault_proxy.h"

namespace oneagent {
namespace {

// The proxy comes before the node that is to use it.
struct ProxyHolder {
  explicit ProxyHolder(int port) : proxy(port) {}
  TlsFaultProxy proxy;
};

class FaultsTest : private ProxyHolder,
                   public KubeNodeTest,
                   public testing::WithParamInterface<TlsFault> {
 protected:
  FaultsTest()
      : ProxyHolder(server().port()),
        KubeNodeTest(proxy.url(), proxy.ca_pem()) {}
  ~FaultsTest() override { node_.provisioner().Terminate(); }

  TlsFaultProxy& faulty() { return proxy; }
};

TEST_P(FaultsTest, WhatChangesMeanwhileIsSeenInTheEnd) {
  Apply({.name = "changes", .version = kFirstAgentVersion});
  Apply({.name = "goes", .version = kFirstAgentVersion});
  node_.StartProvisioner();
  ASSERT_TRUE(node_.WaitForVersion(kFirstAgentVersion, "changes"));
  ASSERT_TRUE(node_.WaitForVersion(kFirstAgentVersion, "goes"));

  faulty().Set(GetParam());
  Apply({.name = "changes", .version = kSecondAgentVersion});
  Delete("goes");
  Apply({.name = "comes", .version = kSecondAgentVersion});
  // Bookmarks come once a minute.
  EXPECT_TRUE(
      WaitUntil([this] { return faulty().faults() > 0; }, absl::Minutes(2)));
  faulty().Set(TlsFault::kNone);

  EXPECT_TRUE(node_.WaitForVersion(kSecondAgentVersion, "changes"));
  EXPECT_TRUE(node_.WaitForVersion(kSecondAgentVersion, "comes"));
  EXPECT_TRUE(WaitUntil([this] { return IsDeleted("goes"); }));
  EXPECT_TRUE(node_.provisioner().IsRunning());
}

// Those that befall a list, too.
class StartFaultsTest : public FaultsTest {};

// From the very start on, until it has failed a few times.
TEST_P(StartFaultsTest, AStartThroughItComesToTheSame) {
  Apply({.name = "demo", .version = kFirstAgentVersion});
  faulty().Set(GetParam());
  node_.StartProvisioner();
  const int64_t most = GetParam() == TlsFault::kStall ? 1 : 3;
  EXPECT_TRUE(WaitUntil([&] { return faulty().faults() >= most; }));
  faulty().Set(TlsFault::kNone);
  EXPECT_TRUE(node_.WaitForVersion(kFirstAgentVersion, "demo"));
}

std::string NameOf(const testing::TestParamInfo<TlsFault>& kind) {
  switch (kind.param) {
    case TlsFault::kNone:
      return "None";
    case TlsFault::kCut:
      return "Cut";
    case TlsFault::kStall:
      return "Stall";
    case TlsFault::kCutInObject:
      return "CutInObject";
    case TlsFault::kDelayBookmarks:
      return "DelayBookmarks";
  }
  return "";
}

INSTANTIATE_TEST_SUITE_P(Kinds, FaultsTest,
                         testing::Values(TlsFault::kCut, TlsFault::kStall,
                                         TlsFault::kCutInObject,
                                         TlsFault::kDelayBookmarks),
                         &NameOf);
INSTANTIATE_TEST_SUITE_P(Kinds, StartFaultsTest,
                         testing::Values(TlsFault::kCut, TlsFault::kStall,
                                         TlsFault::kCutInObject),
                         &NameOf);

}  // namespace
}  // namespace oneagent
