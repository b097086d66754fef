#include "csi/endpoint.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using ::testing::HasSubstr;

TEST(EndpointTest, AcceptsTheFormsThatKubernetesUses) {
  for (const char* endpoint :
       {"unix:/csi/csi.sock", "unix:///csi/csi.sock", "/csi/csi.sock"}) {
    EXPECT_THAT(ParseEndpoint(endpoint), IsOkAndHolds("/csi/csi.sock"))
        << endpoint;
  }
}

TEST(EndpointTest, RefusesEverythingElseAndNamesIt) {
  for (const std::string endpoint :
       {"", "csi.sock", "unix:", "unix:csi.sock", "unix://csi/csi.sock",
        "tcp://127.0.0.1:9000", "unix-abstract:x", "UNIX:/csi/csi.sock",
        "/csi/", "dns:///csi.sock"}) {
    EXPECT_THAT(
        ParseEndpoint(endpoint),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(endpoint)))
        << endpoint;
  }
}

TEST(EndpointTest, RefusesANul) {
  EXPECT_THAT(ParseEndpoint(std::string("/csi\0/x", 7)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("NUL")));
}

TEST(EndpointTest, TakesAPathOf107BytesAndNotOneMore) {
  const std::string longest = "/" + std::string(106, 'x');
  EXPECT_THAT(ParseEndpoint("unix:" + longest), IsOkAndHolds(longest));
  EXPECT_THAT(ParseEndpoint(longest + "x"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("108 bytes, more than 107")));
}

}  // namespace
}  // namespace oneagent
