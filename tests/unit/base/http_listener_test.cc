// Honest clients, and those that are not.
#include "base/http_listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/http_client.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class HttpListenerTest : public testing::Test {
 protected:
  void Open(HttpListener::Options options = {}) {
    auto listener = HttpListener::Open(
        "127.0.0.1:0",
        {{"/healthz",
          [this] {
            ++asked_;
            return HttpPage{.body = "ok\n"};
          }},
         {"/broken", [] { return HttpPage{.status = 500, .body = "why\n"}; }},
         {"/big", [] { return HttpPage{.body = std::string(4 << 20, 'x')}; }}},
        options);
    ASSERT_OK(listener.status());
    listener_ = *std::move(listener);
  }
  int port() const { return listener_->port(); }
  void ExpectServes() {
    const HttpReply reply = HttpAsk(port(), "/healthz");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "ok\n");
  }

  std::atomic<int> asked_{0};
  std::unique_ptr<HttpListener> listener_;
};

size_t CountOpenFds() { return ListDirectory("/proc/self/fd")->size(); }

// Resident memory of this process.
int64_t Resident() {
  const std::string statm = *ReadWholeFile("/proc/self/statm");
  const size_t blank = statm.find(' ');
  return std::stoll(statm.substr(blank + 1)) * sysconf(_SC_PAGESIZE);
}

TEST_F(HttpListenerTest, ServesGetAndHeadOfItsPages) {
  Open();
  ExpectServes();
  const HttpReply head = HttpAsk(port(), "/healthz", "HEAD");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
  EXPECT_THAT(head.head, HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(head.head,
              HasSubstr("Content-Type: text/plain; charset=utf-8\r\n"));
  EXPECT_EQ(asked_, 2);
  EXPECT_EQ(HttpAsk(port(), "/healthz?verbose=1").status, 200);
  const HttpReply broken = HttpAsk(port(), "/broken");
  EXPECT_EQ(broken.status, 500);
  EXPECT_EQ(broken.body, "why\n");
  EXPECT_EQ(HttpAsk(port(), "/big").body.size(), size_t{4} << 20);
}

TEST_F(HttpListenerTest, AnotherPathAndAnotherMethodAreRefused) {
  Open();
  const HttpReply other = HttpAsk(port(), "/../healthz");
  EXPECT_EQ(other.status, 404);
  EXPECT_EQ(other.body, "not found; there is: /big /broken /healthz\n");
  const HttpReply post = HttpAsk(port(), "/healthz", "POST");
  EXPECT_EQ(post.status, 405);
  EXPECT_THAT(post.head, HasSubstr("Allow: GET, HEAD\r\n"));
  EXPECT_EQ(asked_, 0);
}

TEST_F(HttpListenerTest, ListensOnEveryFormOfAddress) {
  for (const char* const address :
       {"127.0.0.1:0", ":0", "0.0.0.0:0", "[::]:0"}) {
    auto listener = HttpListener::Open(
        address, {{"/", [] { return HttpPage{.body = "here"}; }}});
    ASSERT_OK(listener.status());
    EXPECT_EQ(HttpAsk((*listener)->port(), "/").body, "here") << address;
  }
  EXPECT_THAT(ParseListenAddress("[::1]:65535"), IsOkAndHolds("[::1]:65535"));
}

TEST_F(HttpListenerTest, ABadAddressIsAnErrorThatNamesIt) {
  for (const char* const address :
       {"", "9808", "localhost:80", "127.0.0.1:", ":x", ":65536", ": 1", ":+1",
        "::1:80", "[127.0.0.1]:80", "[::1:80", "1.2.3:80", ":99999999999"}) {
    EXPECT_THAT(ParseListenAddress(address),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << address;
    EXPECT_THAT(HttpListener::Open(address, {}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(absl::StrCat(address, ": "))));
  }
  Open();
  const std::string taken = absl::StrCat("127.0.0.1:", port());
  EXPECT_THAT(HttpListener::Open(taken, {}).status().message(),
              HasSubstr(absl::StrCat(taken, ": Address already in use")));
  // TEST-NET-1 is nobody's.
  EXPECT_THAT(HttpListener::Open("192.0.2.1:0", {}).status().message(),
              HasSubstr("192.0.2.1:0: Cannot assign requested address"));
}

TEST_F(HttpListenerTest, GarbageGetsNoPageAndHarmsNobody) {
  Open({.idle_timeout = absl::Seconds(1)});
  const std::string requests[] = {
      "\x16\x03\x01\x02\x00\x01",  // a TLS hello
      std::string(100'000, '\0'),
      "GET\r\n\r\n",
      "GET /healthz\r\n\r\n",
      "GET /healthz HTTP/9.9\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      absl::StrCat("GET /", std::string(100'000, 'a'), " HTTP/1.1\r\n\r\n"),
      absl::StrCat("GET /healthz HTTP/1.1\r\nX: ", std::string(1 << 20, 'a'),
                   "\r\n\r\n"),
      "GET /healthz HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
      "GET /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  };
  for (const std::string& request : requests) {
    const UniqueFd fd = ConnectLoopback(port());
    ASSERT_TRUE(fd.ok());
    // Closed in our face is as good as an answer.
    (void)SendAll(fd.get(), request);
    (void)shutdown(fd.get(), SHUT_WR);
    EXPECT_LT(ReceiveAll(fd.get()).size(), 2000u);
    ExpectServes();
  }
}

// A body is not waited for, however long it is said to be.
TEST_F(HttpListenerTest, AnswersBeforeABodyThatNeverComes) {
  Open();
  for (const char* const verb : {"GET", "POST"}) {
    const UniqueFd fd = ConnectLoopback(port());
    ASSERT_TRUE(SendAll(
        fd.get(), absl::StrCat(verb, " /healthz HTTP/1.1\r\nHost: x\r\n",
                               "Content-Length: 1000000000\r\n\r\nbody")));
    EXPECT_THAT(ReceiveAll(fd.get()), HasSubstr("HTTP/1.1 ")) << verb;
  }
}

TEST_F(HttpListenerTest, SlowClientsKeepNoHonestOneOut) {
  Open({.max_connections = 16, .idle_timeout = absl::Hours(1)});
  std::vector<UniqueFd> slow;
  for (int i = 0; i < 500; ++i) {
    slow.push_back(ConnectLoopback(port()));
    ASSERT_TRUE(slow.back().ok());
    // Some are silent, some begin, some read nothing of what they asked for.
    if (i % 3 == 1) SendAll(slow.back().get(), "GET /healthz HTT");
    if (i % 3 == 2) SendAll(slow.back().get(), "GET /big HTTP/1.1\r\n\r\n");
    if (i % 50 == 0) ExpectServes();
  }
  ExpectServes();
  // The oldest had to go.
  ReceiveAll(slow.front().get());
  // As many descriptors as there may be connections, on either side.
  EXPECT_LT(CountOpenFds(), 500u + 100u);
}

TEST_F(HttpListenerTest, ASilentConnectionIsClosed) {
  Open({.idle_timeout = absl::Seconds(1)});
  const UniqueFd fd = ConnectLoopback(port());
  ASSERT_TRUE(SendAll(fd.get(), "GET /healthz HTTP/1.1\r\nX: "));
  // Returns when the server closes it.
  EXPECT_THAT(ReceiveAll(fd.get()), Not(HasSubstr("200 OK")));
}

TEST_F(HttpListenerTest, DoesNotGrow) {
  Open({.max_connections = 16});
  const auto batter = [this] {
    for (int i = 0; i < 300; ++i) {
      const UniqueFd fd = ConnectLoopback(port());
      SendAll(fd.get(), absl::StrCat("GET /healthz HTTP/1.1\r\nX: ",
                                     std::string(64 << 10, 'a')));
    }
    ExpectServes();
  };
  batter();
  const int64_t before = Resident();
  for (int i = 0; i < 5; ++i) batter();
  EXPECT_LT(Resident() - before, 2 << 20);
}

TEST_F(HttpListenerTest, EndsWhileClientsAreConnected) {
  const LeakCheck leak_check;
  Open();
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(ConnectLoopback(port()));
  ExpectServes();
  listener_.reset();
  for (const UniqueFd& client : clients) {
    EXPECT_EQ(ReceiveAll(client.get()), "");
  }
}

}  // namespace
}  // namespace oneagent
