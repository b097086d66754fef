#include "cache/kube/api_client.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_kube_api.h"
#include "tests/support/leak_check.h"
#include "tests/support/self_signed.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSecrets[] = "/api/v1/namespaces/dynatrace/secrets";

const ApiResource& Secrets() {
  static const auto* const kResource =
      new ApiResource{.group = "",
                      .version = "v1",
                      .resource = "secrets",
                      .namespace_name = "dynatrace",
                      .name = ""};
  return *kResource;
}

class ApiClientTest : public testing::Test {
 protected:
  std::unique_ptr<ApiClient> Open(ApiAccess access) {
    auto client = ApiClient::Open(std::move(access), "under test");
    EXPECT_OK(client);
    return *std::move(client);
  }
  std::unique_ptr<ApiClient> OpenAsUsual() {
    return Open({.server = api_.url(), .token = kKubeApiToken});
  }
  static std::vector<std::string> Authorizations(const FakeKubeApi& api) {
    std::vector<std::string> all;
    for (const KubeRequest& request : api.Requests()) {
      all.push_back(request.authorization);
    }
    return all;
  }

  const LeakCheck leaks_;
  TempDir dir_;
  FakeKubeApi api_;
};

TEST_F(ApiClientTest, AsksWithTokenAndQuery) {
  api_.Put(kSecrets, R"({"metadata":{"name":"a"}})");
  const auto client = OpenAsUsual();
  ASSERT_OK_AND_ASSIGN(
      const ApiAnswer answer,
      client->Call(
          {.path = Secrets().Path(),
           .query = {{"fieldSelector", "metadata.name=a"}, {"limit", "5"}}}));
  EXPECT_EQ(answer.code, 200);
  EXPECT_THAT(answer.body, HasSubstr(R"("name":"a")"));
  const std::vector<KubeRequest> requests = api_.Requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].target,
            absl::StrCat(kSecrets, "?fieldSelector=metadata.name%3Da&limit=5"));
  EXPECT_EQ(requests[0].authorization, absl::StrCat("Bearer ", kKubeApiToken));
}

TEST_F(ApiClientTest, SendsBodies) {
  const auto client = OpenAsUsual();
  const std::string path = "/apis/events.k8s.io/v1/namespaces/shop/events";
  ASSERT_OK_AND_ASSIGN(
      const ApiAnswer posted,
      client->Call({.method = "POST", .path = path, .body = R"({"a":1})"}));
  EXPECT_EQ(posted.code, 201);
  ASSERT_OK(client->Call({.method = "PATCH",
                          .path = path + "/x",
                          .body = R"({"b":2})",
                          .content_type = "application/merge-patch+json"}));
  const std::vector<KubeRequest> requests = api_.Requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].method, "POST");
  EXPECT_EQ(requests[0].body, R"({"a":1})");
  EXPECT_EQ(requests[0].content_type, "application/json");
  EXPECT_EQ(requests[1].method, "PATCH");
  EXPECT_EQ(requests[1].body, R"({"b":2})");
  EXPECT_EQ(requests[1].content_type, "application/merge-patch+json");
}

TEST_F(ApiClientTest, ReadsARotatedTokenForTheNextRequest) {
  const std::string file = dir_.WriteFile("token", "first\n");
  const auto client = Open({.server = api_.url(), .token_file = file});
  api_.SetToken("first");
  ASSERT_OK(client->Call({.path = kSecrets}));
  dir_.WriteFile("token", "second\n");
  api_.SetToken("second");
  ASSERT_OK_AND_ASSIGN(const ApiAnswer answer,
                       client->Call({.path = kSecrets}));
  EXPECT_EQ(answer.code, 200);
  EXPECT_THAT(Authorizations(api_),
              ElementsAre("Bearer first", "Bearer second"));
}

// The file is swapped between the reading of it and the answer.
TEST_F(ApiClientTest, AsksAgainWhenTheTokenIsAnotherOneAfterA401) {
  const std::string file = dir_.WriteFile("token", "first");
  const auto client = Open({.server = api_.url(), .token_file = file});
  api_.SetToken("second");
  ASSERT_OK_AND_ASSIGN(ApiAnswer answer, client->Call({.path = kSecrets}));
  EXPECT_EQ(answer.code, 401);
  EXPECT_EQ(api_.Requests().size(), 1u) << "the same token again";

  api_.SetHook([&](const KubeRequest&) {
    dir_.WriteFile("token", "second");
    api_.SetHook(nullptr);
  });
  ASSERT_OK_AND_ASSIGN(answer, client->Call({.path = kSecrets}));
  EXPECT_EQ(answer.code, 200);
}

TEST_F(ApiClientTest, KeepsTheLastTokenWhileThereIsNoFile) {
  const std::string file = dir_.WriteFile("token", kKubeApiToken);
  const auto client = Open({.server = api_.url(), .token_file = file});
  ASSERT_OK(client->Call({.path = kSecrets}));
  ASSERT_EQ(std::remove(file.c_str()), 0);
  ASSERT_OK_AND_ASSIGN(const ApiAnswer answer,
                       client->Call({.path = kSecrets}));
  EXPECT_EQ(answer.code, 200);
}

TEST_F(ApiClientTest, TrustsTheClustersAuthorityAlone) {
  FakeKubeApi api({.tls = true});
  const auto fine =
      Open({.server = api.url(),
            .ca = {.file = dir_.WriteFile("ca.crt", api.ca_pem())},
            .token = kKubeApiToken});
  EXPECT_OK(fine->Call({.path = kSecrets}));
  const auto by_text = Open({.server = api.url(),
                             .ca = {.file = "", .text = api.ca_pem()},
                             .token = kKubeApiToken});
  EXPECT_OK(by_text->Call({.path = kSecrets}));
  const auto other = Open({.server = api.url(),
                           .ca = {.file = "", .text = MakeSelfSigned().pem},
                           .token = kKubeApiToken});
  EXPECT_THAT(
      other->Call({.path = kSecrets}),
      StatusIs(absl::StatusCode::kUnavailable,
               AllOf(HasSubstr("certificate"), Not(HasSubstr(kKubeApiToken)))));
}

TEST_F(ApiClientTest, ChecksTheCertificateForTheNameThatIsGiven) {
  FakeKubeApi api({.tls = true});
  ApiAccess access = {.server = api.url(),
                      .ca = {.file = "", .text = api.ca_pem()},
                      .tls_server_name = "localhost",
                      .token = kKubeApiToken};
  EXPECT_OK(Open(access)->Call({.path = kSecrets}));
  access.tls_server_name = "kubernetes.default.svc";
  EXPECT_THAT(Open(access)->Call({.path = kSecrets}),
              StatusIs(absl::StatusCode::kUnavailable));
  access.skip_cert_check = true;
  EXPECT_OK(Open(access)->Call({.path = kSecrets}));
}

TEST_F(ApiClientTest, EndsARequestThatIsNotAnswered) {
  api_.AddFault({.kind = KubeFault::Kind::kStall, .part = "secrets"});
  const auto client = OpenAsUsual();
  EXPECT_THAT(
      client->Call({.path = kSecrets,
                    .query = {{"continue", "hidden"}},
                    .timeout = absl::Milliseconds(200)}),
      StatusIs(absl::StatusCode::kUnavailable,
               AllOf(HasSubstr("GET http://127.0.0.1"), HasSubstr(kSecrets),
                     HasSubstr("timed out"), Not(HasSubstr("hidden")))));
}

TEST_F(ApiClientTest, BoundsAnAnswer) {
  api_.AddFault({.kind = KubeFault::Kind::kBody,
                 .part = "secrets",
                 .body = std::string(1000, 'x')});
  EXPECT_THAT(OpenAsUsual()->Call({.path = kSecrets, .max_bytes = 999}),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("larger than 999 bytes")));
}

TEST_F(ApiClientTest, TellsHowLongToStayAway) {
  api_.AddFault({.part = "secrets", .status = 429, .retry_after = "7"});
  ASSERT_OK_AND_ASSIGN(const ApiAnswer answer,
                       OpenAsUsual()->Call({.path = kSecrets}));
  EXPECT_EQ(answer.code, 429);
  EXPECT_EQ(answer.retry_after, absl::Seconds(7));
}

TEST_F(ApiClientTest, RefusesATokenThatWouldAddAHeader) {
  const auto client = Open({.server = api_.url(), .token = "a\r\nX-Evil: 1"});
  EXPECT_THAT(client->Call({.path = kSecrets}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("header Authorization"),
                             Not(HasSubstr("Evil")))));
  EXPECT_EQ(api_.Requests().size(), 0u);
}

TEST_F(ApiClientTest, EndsCallsWhenItIsClosed) {
  api_.AddFault({.kind = KubeFault::Kind::kStall, .part = "secrets"});
  const auto client = OpenAsUsual();
  api_.SetHook([&](const KubeRequest&) { client->Close(); });
  EXPECT_THAT(client->Call({.path = kSecrets}),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(client->Call({.path = kSecrets}),
              StatusIs(absl::StatusCode::kCancelled));
  bool ran = false;
  client->RunAndWait([&] { ran = true; });
  EXPECT_TRUE(ran) << "what lives on the thread can still be ended";
  api_.SetHook(nullptr);
}

TEST_F(ApiClientTest, ServesManyThreads) {
  const auto client = OpenAsUsual();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 20; ++n) EXPECT_OK(client->Call({.path = kSecrets}));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(api_.Requests().size(), 160u);
}

// All bytes of a stream that is cut come before its end is told, and a timer
// that was taken back never rings.
TEST_F(ApiClientTest, StreamsOnItsOwnThread) {
  api_.Put(kSecrets, R"({"metadata":{"name":"a"}})");
  api_.AddFault(
      {.kind = KubeFault::Kind::kCut, .part = "watch=true", .after_bytes = 20});
  const auto client = OpenAsUsual();
  Mutex mu;
  CondVar done;
  bool is_done = false;
  bool was_open = false;
  std::string bytes;
  absl::Status end;
  client->RunAndWait([&] {
    client->CancelTimer(
        client->After(absl::ZeroDuration(), [] { FAIL() << "rang"; }));
    client->Begin({.path = kSecrets,
                   .query = {{"watch", "true"},
                             {"resourceVersion", "1"},
                             {"timeoutSeconds", "60"}}},
                  {.on_open = [&] { was_open = bytes.empty(); },
                   .on_bytes =
                       [&](absl::string_view piece) {
                         bytes.append(piece.data(), piece.size());
                         return true;
                       },
                   .on_done =
                       [&](const absl::StatusOr<ApiAnswer>& answer) {
                         MutexLock lock(mu);
                         end = answer.status();
                         is_done = true;
                         done.NotifyAll();
                       }});
  });
  MutexLock lock(mu);
  while (!is_done) done.Wait(mu);
  EXPECT_TRUE(was_open);
  EXPECT_EQ(bytes.size(), 20u);
  EXPECT_THAT(end, StatusIs(absl::StatusCode::kUnavailable));
}

// The first request goes ahead of the others until it is answered. One that
// was, and stays open, holds up nobody when the connection is doubted again.
TEST_F(ApiClientTest, NothingWaitsForAStreamThatIsOpen) {
  api_.AddFault({.kind = KubeFault::Kind::kCut, .part = "limit=1"});
  Mutex mu;
  CondVar opened;
  bool is_open = false;
  bool is_over = false;
  const auto client = OpenAsUsual();
  client->RunAndWait([&] {
    client->Begin({.path = kSecrets,
                   .query = {{"watch", "true"},
                             {"resourceVersion", "1"},
                             {"timeoutSeconds", "30"}}},
                  {.on_open =
                       [&] {
                         MutexLock lock(mu);
                         is_open = true;
                         opened.NotifyAll();
                       },
                   .on_done =
                       [&](const absl::StatusOr<ApiAnswer>&) {
                         MutexLock lock(mu);
                         is_over = true;
                       }});
  });
  {
    MutexLock lock(mu);
    while (!is_open) opened.Wait(mu);
  }
  EXPECT_THAT(client->Call({.path = kSecrets, .query = {{"limit", "1"}}}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_OK(client->Call({.path = kSecrets}));
  MutexLock lock(mu);
  EXPECT_FALSE(is_over);
}

TEST(ApiRequestTest, BuildsPaths) {
  EXPECT_EQ(Secrets().Path(), kSecrets);
  const ApiResource status = {.group = "dynatrace.com",
                              .version = "v1beta5",
                              .resource = "dynakubes",
                              .namespace_name = "a b",
                              .name = "x/y",
                              .subresource = "status"};
  EXPECT_EQ(status.Path(),
            "/apis/dynatrace.com/v1beta5/namespaces/a%20b/dynakubes/x%2Fy/"
            "status");
}

TEST(ApiRequestTest, NamesTheRuleThatIsMissing) {
  const ApiAnswer answer = {
      .code = 403,
      .body = R"({"kind":"Status","message":"secrets is forbidden: User \"x\" )"
              R"(cannot list resource","reason":"Forbidden","code":403})"};
  EXPECT_THAT(
      ApiError("list", Secrets(), answer),
      StatusIs(
          absl::StatusCode::kPermissionDenied,
          "list secrets in namespace dynatrace: 403 secrets is forbidden: User "
          "\"x\" cannot list resource; the Role in namespace dynatrace needs "
          "the rule {apiGroups: [\"\"], resources: [\"secrets\"], verbs: "
          "[\"list\"]}"));
  const ApiResource events = {.group = "events.k8s.io",
                              .version = "v1",
                              .resource = "events",
                              .namespace_name = "",
                              .name = ""};
  EXPECT_THAT(ApiError("create", events, {.code = 403, .body = "<html>"}),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       "create events: 403; the ClusterRole needs the rule "
                       "{apiGroups: [\"events.k8s.io\"], resources: "
                       "[\"events\"], verbs: [\"create\"]}"));
}

TEST(ApiRequestTest, TellsRefusalsApart) {
  struct Case {
    int http;
    absl::StatusCode want;
  };
  for (const Case& each :
       std::vector<Case>{{200, absl::StatusCode::kOk},
                         {201, absl::StatusCode::kOk},
                         {400, absl::StatusCode::kInvalidArgument},
                         {401, absl::StatusCode::kUnauthenticated},
                         {404, absl::StatusCode::kNotFound},
                         {409, absl::StatusCode::kAlreadyExists},
                         {410, absl::StatusCode::kOutOfRange},
                         {429, absl::StatusCode::kUnavailable},
                         {503, absl::StatusCode::kUnavailable}}) {
    EXPECT_THAT(ApiError("get", Secrets(), {.code = each.http, .body = ""}),
                StatusIs(each.want));
  }
}

}  // namespace
}  // namespace oneagent
