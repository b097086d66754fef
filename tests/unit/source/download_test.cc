// Bodies that go to a file: continued, started anew, never mixed.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/failpoint.h"
#include "base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/failpoints.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/source/fetcher_fixture.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// As a server encodes it that was asked not to.
std::string Encoded(const std::string& content, const std::string& encoding) {
  z_stream stream = {};
  EXPECT_EQ(
      deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED,
                   encoding == "gzip" ? 15 + 16 : 15, 8, Z_DEFAULT_STRATEGY),
      Z_OK);
  std::string encoded(deflateBound(&stream, content.size()) + 100, '\0');
  std::string input = content;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(encoded.data());
  stream.avail_out = static_cast<uInt>(encoded.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  encoded.resize(stream.total_out);
  deflateEnd(&stream);
  return encoded;
}

class DownloadTest : public FetcherFixture {
 protected:
  static void SetUpTestSuite() { EnterPrivateMountNamespace(); }

  // The file holds the new content, all of it, and the result says so.
  void ExpectComplete(const absl::StatusOr<FetchResult>& result,
                      const std::string& file) {
    ASSERT_OK(result);
    EXPECT_EQ(result->http_status, 200);
    EXPECT_THAT(result->body, IsEmpty());
    EXPECT_EQ(result->bytes, static_cast<int64_t>(content_.size()));
    EXPECT_EQ(result->sha256, Sha256Hex(content_));
    EXPECT_TRUE(ReadTestFile(file) == content_);
  }
  // A beginning of `content` whose ETag is known.
  void FetchBeginning(const std::string& file, int64_t bytes) {
    server_.AddFault(kAgentPath, Fault::Cut(bytes));
    // It is asked for anew at once, which brings nothing.
    server_.AddFault(kAgentPath, Fault::Cut(0));
    const FetchRequest request = Download(file);
    ASSERT_THAT(fetcher_.Fetch(request),
                StatusIs(absl::StatusCode::kUnavailable));
    ASSERT_EQ(std::filesystem::file_size(file), static_cast<size_t>(bytes));
  }
  std::string LastHeader(absl::string_view name) const {
    return server_.Requests().back().Header(name);
  }

  const std::string file_ = dir_.Path("agent.part");
};

TEST_F(DownloadTest, NewFileIsFetchedWholeAndPrivate) {
  std::vector<std::pair<int64_t, int64_t>> progress;
  FetchRequest request = Download(file_);
  request.progress = [&](int64_t done, int64_t total) {
    progress.emplace_back(done, total);
  };
  ExpectComplete(fetcher_.Fetch(request), file_);
  EXPECT_EQ(server_.Requests()[0].headers.count("range"), 0u);
  struct stat status = {};
  ASSERT_EQ(stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(progress.front(), std::make_pair(int64_t{0}, int64_t{300'000}));
  EXPECT_EQ(progress.back(),
            std::make_pair(int64_t{300'000}, int64_t{300'000}));
}

TEST_F(DownloadTest, CutDownloadContinuesWhereItWas) {
  server_.AddFault(kAgentPath, Fault::Cut(100'000));
  server_.AddFault(kAgentPath, Fault::Cut(50'000));
  ExpectComplete(fetcher_.Fetch(Download(file_)), file_);
  const std::vector<SeenRequest> seen = server_.Requests();
  ASSERT_THAT(seen, SizeIs(3));
  EXPECT_EQ(seen[1].Header("range"), "bytes=100000-");
  EXPECT_EQ(seen[2].Header("range"), "bytes=150000-");
  EXPECT_EQ(seen[2].Header("if-range"),
            absl::StrCat("\"", Sha256Hex(content_), "\""));
}

TEST_F(DownloadTest, WhatBringsNothingMoreIsNotAskedForAgain) {
  server_.AddFault(kAgentPath, Fault::Cut(0, /*times=*/-1));
  EXPECT_THAT(fetcher_.Fetch(Download(file_)),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(server_.Requests(), SizeIs(1));
}

TEST_F(DownloadTest, EndlessCutsEnd) {
  for (int i = 0; i < 10; ++i) {
    server_.AddFault(kAgentPath, Fault::Cut(1'000));
  }
  EXPECT_THAT(fetcher_.Fetch(Download(file_)),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(server_.Requests(), SizeIs(4));
}

TEST_F(DownloadTest, EncodedContentIsDecodedWithinItsLimit) {
  for (const char* const encoding : {"gzip", "deflate"}) {
    const std::string content(1 << 20, 'x');
    Fault fault = Fault::Body(Encoded(content, encoding));
    fault.content_encoding = encoding;
    server_.AddFault(kAgentPath, fault);
    FetchRequest request = Download(file_);
    request.max_bytes = 1 << 20;
    ASSERT_OK_AND_ASSIGN(const FetchResult result, fetcher_.Fetch(request));
    EXPECT_EQ(result.sha256, Sha256Hex(content));
    EXPECT_TRUE(ReadTestFile(file_) == content);
    EXPECT_EQ(LastHeader("accept-encoding"), "identity");
    ASSERT_TRUE(std::filesystem::remove(file_));

    server_.AddFault(kAgentPath, fault);
    request.max_bytes = (1 << 20) - 1;
    EXPECT_THAT(fetcher_.Fetch(request),
                StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_EQ(std::filesystem::file_size(file_), 0u);

    request.file.clear();
    server_.AddFault(kAgentPath, fault);
    EXPECT_THAT(fetcher_.Fetch(request),
                StatusIs(absl::StatusCode::kResourceExhausted));
  }
}

TEST_F(DownloadTest, PageNeverGoesToTheFile) {
  FetchBeginning(file_, 100'000);
  Fault typed = Fault::Body("Please wait");
  typed.content_type = "text/html; charset=utf-8";
  for (const Fault& page : {typed, Fault::Body("<!DOCTYPE html>Please wait")}) {
    server_.AddFault(kAgentPath, page);
    ASSERT_OK_AND_ASSIGN(const FetchResult result,
                         fetcher_.Fetch(Download(file_)));
    EXPECT_TRUE(result.is_page);
    EXPECT_THAT(result.body, HasSubstr("Please wait"));
  }
  ExpectComplete(fetcher_.Fetch(Download(file_)), file_);
}

TEST_F(DownloadTest, LaterFetchContinuesAndReportsWhatWasThere) {
  FetchBeginning(file_, 100'000);
  FetchRequest request = Download(file_);
  std::vector<int64_t> progress;
  request.progress = [&](int64_t done, int64_t total) {
    EXPECT_EQ(total, 300'000);
    progress.push_back(done);
  };
  ExpectComplete(fetcher_.Fetch(request), file_);
  EXPECT_EQ(LastHeader("range"), "bytes=100000-");
  EXPECT_EQ(progress.front(), 100'000);
}

TEST_F(DownloadTest, ContentThatChangedIsFetchedAnew) {
  FetchBeginning(file_, 100'000);
  SetContent(RandomBytes(200'000, 2));
  ExpectComplete(fetcher_.Fetch(Download(file_)), file_);
}

TEST_F(DownloadTest, PartOfAnotherContentIsNotAppended) {
  FetchBeginning(file_, 100'000);
  SetContent(RandomBytes(300'000, 2));
  server_.AddFault(kAgentPath, Fault::IgnoreIfRange());
  FetchRequest request = Download(file_);
  ExpectComplete(fetcher_.Fetch(request), file_);
  EXPECT_EQ(LastHeader("range"), "");
}

TEST_F(DownloadTest, ContinuesWithoutETagByContentRange) {
  server_.Update([](ServedTenant& state) { state.etags = false; });
  FetchBeginning(file_, 100'000);
  ExpectComplete(fetcher_.Fetch(Download(file_)), file_);
  EXPECT_EQ(LastHeader("range"), "bytes=100000-");
  EXPECT_EQ(LastHeader("if-range"), "");
}

TEST_F(DownloadTest, ETagOfAnEarlierContentDoesNotStay) {
  FetchBeginning(file_, 100'000);
  server_.Update([](ServedTenant& state) { state.etags = false; });
  server_.AddFault(kAgentPath, Fault::IgnoreRange());
  ExpectComplete(fetcher_.Fetch(Download(file_)), file_);
  EXPECT_LT(getxattr(file_.c_str(), "user.oneagent.etag", nullptr, 0), 0);
}

TEST_F(DownloadTest, ServerThatIgnoresRangeSendsAll) {
  FetchBeginning(file_, 100'000);
  server_.AddFault(kAgentPath, Fault::IgnoreRange());
  ExpectComplete(fetcher_.Fetch(Download(file_)), file_);
}

TEST_F(DownloadTest, RangeThatWasNotAskedForIsNotAppended) {
  FetchBeginning(file_, 100'000);
  server_.AddFault(kAgentPath, Fault::WrongRange());
  FetchRequest request = Download(file_);
  ExpectComplete(fetcher_.Fetch(request), file_);
  EXPECT_EQ(LastHeader("range"), "");
}

TEST_F(DownloadTest, CompleteFileIsNotFetchedAgain) {
  ExpectComplete(fetcher_.Fetch(Download(file_)), file_);
  ExpectComplete(fetcher_.Fetch(Download(file_)), file_);
  ASSERT_THAT(server_.Requests(), SizeIs(2));
  EXPECT_EQ(LastHeader("range"), "bytes=300000-");
}

TEST_F(DownloadTest, FileAsLongAsTheContentButUnknownIsFetchedAnew) {
  dir_.WriteFile("agent.part", std::string(content_.size(), 'x'));
  FetchRequest request = Download(file_);
  ExpectComplete(fetcher_.Fetch(request), file_);
}

TEST_F(DownloadTest, FileLongerThanTheContentIsFetchedAnew) {
  FetchBeginning(file_, 100'000);
  SetContent(RandomBytes(5'000, 2));
  ExpectComplete(fetcher_.Fetch(Download(file_)), file_);
}

TEST_F(DownloadTest, LengthThatWasTooHighDoesNotHarmTheFile) {
  server_.AddFault(kAgentPath, Fault::WrongLength(10));
  ExpectComplete(fetcher_.Fetch(Download(file_)), file_);
}

TEST_F(DownloadTest, EmptyContentMakesAnEmptyFile) {
  SetContent("");
  ExpectComplete(fetcher_.Fetch(Download(file_)), file_);
}

TEST_F(DownloadTest, RefusalLeavesWhatIsThereAndMakesNoFile) {
  FetchBeginning(file_, 100'000);
  server_.AddFault(kAgentPath, Fault::Status(404));
  ASSERT_OK_AND_ASSIGN(const FetchResult result,
                       fetcher_.Fetch(Download(file_)));
  EXPECT_EQ(result.http_status, 404);
  EXPECT_THAT(result.body, HasSubstr("fault under test"));
  EXPECT_TRUE(ReadTestFile(file_) == content_.substr(0, 100'000));

  server_.AddFault(kAgentPath, Fault::Status(404));
  ASSERT_OK(fetcher_.Fetch(Download(dir_.Path("new.part"))));
  EXPECT_FALSE(std::filesystem::exists(dir_.Path("new.part")));
}

TEST_F(DownloadTest, FileThatOutgrowsItsLimitIsEmptied) {
  server_.AddFault(kAgentPath, Fault::NoLength());
  FetchRequest request = Download(file_);
  request.max_bytes = 299'999;
  EXPECT_THAT(fetcher_.Fetch(request),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("larger than 299999 bytes")));
  EXPECT_EQ(std::filesystem::file_size(file_), 0u);
  EXPECT_THAT(server_.Requests(), SizeIs(1));
}

TEST_F(DownloadTest, RestThatWouldOutgrowTheLimitIsNotFetched) {
  FetchBeginning(file_, 100'000);
  FetchRequest request = Download(file_);
  request.max_bytes = 299'999;
  EXPECT_THAT(fetcher_.Fetch(request),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(std::filesystem::file_size(file_), 0u);
}

TEST_F(DownloadTest, FullDiskIsResourceExhaustedAtOnce) {
  const std::string disk = dir_.MakeDir("disk");
  ASSERT_EQ(mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=65536"), 0);
  const auto result = fetcher_.Fetch(Download(disk + "/agent.part"));
  EXPECT_EQ(umount(disk.c_str()), 0);
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kResourceExhausted,
                               AllOf(HasSubstr("/agent.part: No space left"),
                                     HasSubstr("GET http://127.0.0.1:"))));
  EXPECT_THAT(server_.Requests(), SizeIs(1));
}

TEST_F(DownloadTest, LinkInTheFilesPlaceIsNotFollowed) {
  const std::string victim = dir_.WriteFile("victim", "untouched");
  std::filesystem::create_symlink(victim, file_);
  EXPECT_THAT(fetcher_.Fetch(Download(file_)),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(ReadTestFile(victim), "untouched");
}

TEST_F(DownloadTest, FifoInTheFilesPlaceIsRefused) {
  ASSERT_EQ(mkfifo(file_.c_str(), 0600), 0);
  EXPECT_THAT(
      fetcher_.Fetch(Download(file_)),
      StatusIs(absl::StatusCode::kInternal, HasSubstr("not a regular file")));
}

class DownloadCrashTest : public DownloadTest,
                          public testing::WithParamInterface<std::string> {};

// A process dies while an old content, with its ETag, gives way to a new one.
TEST_P(DownloadCrashTest, NextProcessGetsTheNewContent) {
  FetchBeginning(file_, 100'000);
  SetContent(RandomBytes(300'000, 2));
  const pid_t child = fork();
  if (child == 0) {
    ArmFailpoint(GetParam(), [] { _exit(42); });
    (void)fetcher_.Fetch(Download(file_));
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 42) << status;
  ExpectComplete(fetcher_.Fetch(Download(file_)), file_);
}

INSTANTIATE_TEST_SUITE_P(Download, DownloadCrashTest,
                         testing::ValuesIn(FailpointsOf("download")),
                         [](const auto& test) {
                           return "AfterStep" +
                                  test.param.substr(sizeof("download:") - 1);
                         });

}  // namespace
}  // namespace oneagent
