// What CurlFetcher makes of answers, refusals and broken connections.
#include "cache/source/curl_fetcher.h"

#include <stdlib.h>

#include <string>
#include <vector>

#include "base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/source/fetcher_fixture.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Le;
using testing::Not;
using testing::SizeIs;

class CurlFetcherTest : public FetcherFixture {};

TEST_F(CurlFetcherTest, AnswerHasBodyHeadersAndDigest) {
  ASSERT_OK_AND_ASSIGN(const FetchResult result,
                       fetcher_.Fetch(Request(kAgentPath)));
  EXPECT_EQ(result.http_status, 200);
  EXPECT_EQ(result.body, content_);
  EXPECT_EQ(result.bytes, 300'000);
  EXPECT_EQ(result.sha256, Sha256Hex(content_));
  EXPECT_EQ(result.headers.at("content-length"), "300000");
}

TEST_F(CurlFetcherTest, SendsOurHeadersAndUserAgentAndAsksForNoEncoding) {
  FetchRequest request = Request(kConnectionInfoPath);
  request.headers.push_back("Accept: application/json");
  ASSERT_OK(fetcher_.Fetch(request));
  const std::vector<SeenRequest> seen = server_.Requests();
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].Header("authorization"),
            "Api-Token dt0c01.UNDERTEST.SECRETPART");
  EXPECT_EQ(seen[0].Header("accept"), "application/json");
  EXPECT_EQ(seen[0].Header("user-agent"), "oneagent-csi/test provisioner");
  EXPECT_EQ(seen[0].Header("accept-encoding"), "identity");
}

TEST_F(CurlFetcherTest, RefusalIsAResultAndNotTriedAgain) {
  for (const int status : {400, 404, 429, 500, 502, 503, 504}) {
    server_.AddFault("", Fault::Status(status, "7"));
    ASSERT_OK_AND_ASSIGN(const FetchResult result,
                         fetcher_.Fetch(Request(kConnectionInfoPath)));
    EXPECT_EQ(result.http_status, status);
    EXPECT_THAT(result.body, HasSubstr("fault under test"));
  }
  EXPECT_THAT(server_.Requests(), SizeIs(7));
}

TEST_F(CurlFetcherTest, RefusedTokenIsNotSentAgainForAWhile) {
  server_.AddFault(kConnectionInfoPath, Fault::Status(401));
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const FetchResult result,
                         fetcher_.Fetch(Request(kConnectionInfoPath)));
    EXPECT_EQ(result.http_status, 401);
    EXPECT_THAT(result.body, HasSubstr("fault under test"));
    EXPECT_EQ(fetcher_.Fetch(Request(kAgentPath))->http_status, 401);
  }
  EXPECT_THAT(server_.Requests(), SizeIs(1));
  // Another one is.
  FetchRequest other = Request(kConnectionInfoPath);
  other.headers = {"Authorization: Api-Token another"};
  EXPECT_OK(fetcher_.Fetch(other));
  EXPECT_THAT(server_.Requests(), SizeIs(2));
  clock_.Advance(Refusals::kPause);
  EXPECT_EQ(fetcher_.Fetch(Request(kConnectionInfoPath))->http_status, 200);
}

TEST_F(CurlFetcherTest, ForbiddenThingIsNotAskedForAgainButOthersAre) {
  server_.AddFault(kConnectionInfoPath, Fault::Status(403));
  EXPECT_EQ(fetcher_.Fetch(Request(kConnectionInfoPath))->http_status, 403);
  EXPECT_EQ(fetcher_.Fetch(Request(kConnectionInfoPath))->http_status, 403);
  EXPECT_EQ(fetcher_.Fetch(Request(kAgentPath))->http_status, 200);
  EXPECT_EQ(server_.CountRequests(kConnectionInfoPath), 1);
}

TEST_F(CurlFetcherTest, CutAnswerIsUnavailable) {
  server_.AddFault("", Fault::Cut(10));
  EXPECT_THAT(fetcher_.Fetch(Request(kAgentPath)),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(server_.Requests(), SizeIs(1));
}

TEST_F(CurlFetcherTest, AnswerShorterThanItsLengthIsUnavailable) {
  server_.AddFault("", Fault::WrongLength(1, /*times=*/-1));
  EXPECT_THAT(fetcher_.Fetch(Request(kConnectionInfoPath)),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(CurlFetcherTest, NobodyListeningIsUnavailableAndNamesTheUrlOnly) {
  FetchRequest request = Request(kConnectionInfoPath);
  {
    const TenantApiServer gone;
    request.url = absl::StrCat(gone.api_url(), "/x?secret=QUERYPART");
  }
  EXPECT_THAT(fetcher_.Fetch(request),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("GET http://127.0.0.1:"),
                             HasSubstr("/e/abc12345/api/x: "),
                             HasSubstr("connect"), Not(HasSubstr("QUERYPART")),
                             Not(HasSubstr("SECRETPART")))));
}

TEST_F(CurlFetcherTest, StallIsUnavailable) {
  server_.AddFault("", Fault::Stall(0, /*times=*/-1));
  FetchRequest request = Request(kAgentPath);
  request.stall_timeout = absl::Seconds(1);
  EXPECT_THAT(fetcher_.Fetch(request),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("too slow")));
}

TEST_F(CurlFetcherTest, TimeoutEndsTheRequest) {
  server_.AddFault("", Fault::Stall(10, /*times=*/-1));
  FetchRequest request = Request(kAgentPath);
  request.timeout = absl::Milliseconds(200);
  EXPECT_THAT(fetcher_.Fetch(request),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(server_.Requests(), SizeIs(Le(1u)));
}

TEST_F(CurlFetcherTest, AnnouncedSizeAboveTheLimitIsResourceExhausted) {
  FetchRequest request = Request(kAgentPath);
  request.max_bytes = 299'999;
  EXPECT_THAT(fetcher_.Fetch(request),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("larger than 299999 bytes")));
  EXPECT_THAT(server_.Requests(), SizeIs(1));
}

TEST_F(CurlFetcherTest, UnannouncedSizeAboveTheLimitIsResourceExhausted) {
  server_.AddFault("", Fault::NoLength());
  FetchRequest request = Request(kAgentPath);
  request.max_bytes = 299'999;
  EXPECT_THAT(fetcher_.Fetch(request),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("larger than 299999 bytes")));
}

TEST_F(CurlFetcherTest, SizeAtTheLimitIsFine) {
  FetchRequest request = Request(kAgentPath);
  request.max_bytes = 300'000;
  EXPECT_OK(fetcher_.Fetch(request));
}

TEST_F(CurlFetcherTest, OnlyTheBeginningOfALargeRefusalIsKept) {
  const std::string body = RandomBytes(3 << 20, 2);
  server_.AddFault("", Fault::Body(body, 404));
  FetchRequest request = Request(kConnectionInfoPath);
  request.max_bytes = 10;
  ASSERT_OK_AND_ASSIGN(const FetchResult result, fetcher_.Fetch(request));
  EXPECT_EQ(result.http_status, 404);
  EXPECT_EQ(result.body, body.substr(0, 1 << 20));
}

TEST_F(CurlFetcherTest, EndlessHeaderIsResourceExhausted) {
  server_.AddFault("", Fault::HugeHeader(200 << 10));
  EXPECT_THAT(fetcher_.Fetch(Request(kConnectionInfoPath)),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("header larger than")));
}

TEST_F(CurlFetcherTest, ProxyOfTheEnvironmentIsNotUsed) {
  int unused_port = 0;
  {
    const TenantApiServer gone;
    unused_port = gone.port();
  }
  setenv("http_proxy", absl::StrCat("http://127.0.0.1:", unused_port).c_str(),
         /*overwrite=*/1);
  const auto result = fetcher_.Fetch(Request(kConnectionInfoPath));
  unsetenv("http_proxy");
  EXPECT_OK(result);
}

struct RefusedCase {
  std::string name;
  void (*change)(FetchRequest&);
  std::string cause;
};

void PrintTo(const RefusedCase& c, std::ostream* out) { *out << c.name; }

class RefusedRequestTest : public FetcherFixture,
                           public testing::WithParamInterface<RefusedCase> {};

TEST_P(RefusedRequestTest, IsInvalidAndNeverSent) {
  FetchRequest request = Request(kConnectionInfoPath);
  GetParam().change(request);
  EXPECT_THAT(
      fetcher_.Fetch(request),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr(GetParam().cause), Not(HasSubstr("SECRET")))));
  EXPECT_THAT(server_.Requests(), IsEmpty());
}

const RefusedCase kRefusedCases[] = {
    {"EmptyUrl", [](FetchRequest& r) { r.url = ""; }, "malformed URL"},
    {"NoHost", [](FetchRequest& r) { r.url = "http://"; }, "malformed URL"},
    {"ForgottenHost", [](FetchRequest& r) { r.url = "http:///api/x"; },
     "URL without a host"},
    {"OneSlash", [](FetchRequest& r) { r.url = "http:/127.0.0.1/x"; },
     "malformed URL"},
    {"HostInDisguise", [](FetchRequest& r) { r.url = "http://0x7f.1/x"; },
     "malformed URL"},
    {"Relative", [](FetchRequest& r) { r.url = "/x"; }, "malformed URL"},
    {"BlankInUrl", [](FetchRequest& r) { r.url += " SECRET"; }, "malformed"},
    {"FileScheme", [](FetchRequest& r) { r.url = "file:///etc/hostname"; },
     "neither http nor https"},
    {"FtpScheme", [](FetchRequest& r) { r.url = "ftp://127.0.0.1/x"; },
     "neither http nor https"},
    {"CredentialsInUrl",
     [](FetchRequest& r) { r.url = "http://user:SECRET@127.0.0.1/x"; },
     "GET http://127.0.0.1/x: URL carries credentials"},
    {"LineBreakInHeader",
     [](FetchRequest& r) { r.headers = {"A: SECRET\r\nB: SECRET"}; },
     "header A: control character"},
    {"MalformedProxy",
     [](FetchRequest& r) { r.connection.proxy = "http://u:SECRET@:x:y"; },
     "malformed proxy URL"},
    {"ProxyOfAnotherKind",
     [](FetchRequest& r) { r.connection.proxy = "ftp://u:SECRET@h:1"; },
     "proxy URL is neither"},
};

INSTANTIATE_TEST_SUITE_P(CurlFetcher, RefusedRequestTest,
                         testing::ValuesIn(kRefusedCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace oneagent
