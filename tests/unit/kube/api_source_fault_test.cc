// Whatever the network, the server or its administrators do on the way: in the
// end the source has what the cluster has, and until then it says why not.
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/kube/api_source_fixture.h"

namespace oneagent {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = KubeFault::Kind;

constexpr char kExpiredEvent[] =
    R"({"type":"ERROR","object":{"kind":"Status","message":"too old",)"
    R"("reason":"Expired","code":410}})"
    "\n";

TEST_F(ApiSourceTest, ResumesAWatchThatIsCut) {
  OpenUsual();
  const int lists = Lists("/dynakubes") + Lists("/secrets");
  api_.CutWatches();
  PutToken("demo", "second");
  WaitForToken("demo", "second");
  WaitForWatches(4);
  EXPECT_EQ(Lists("/dynakubes") + Lists("/secrets"), lists)
      << "from where it was, not anew";
}

TEST_F(ApiSourceTest, ResumesAWatchThatIsTruncatedInTheMiddleOfAnObject) {
  api_.AddFault({.kind = Kind::kCut,
                 .part = "watch=true",
                 .times = 6,
                 .after_bytes = 100});
  OpenUsual();
  PutToken("demo", "second");
  WaitForToken("demo", "second");
  PutToken("demo", "third");
  WaitForToken("demo", "third");
}

TEST_F(ApiSourceTest, ResumesAWatchThatIsGarbled) {
  OpenUsual();
  for (int i = 0; i < 3; ++i) {
    api_.SendRaw("{\"type\":\"ADDED\",\"obj\x01\xff\n");
    PutToken("demo", absl::StrCat("after-", i));
    WaitForToken("demo", absl::StrCat("after-", i));
  }
}

// From the same version comes the same line, again and again.
TEST_F(ApiSourceTest, ListsAnewWhatItCannotGetPast) {
  api_.Put(kDynaKubesPath, DynaKubeJson("demo"));
  PutToken("demo", "first");
  api_.AddFault({.kind = Kind::kBody,
                 .part = "watch=true",
                 .times = 40,
                 .body = "not JSON\n"});
  Open();
  WaitForToken("demo", "first");
  PutToken("demo", "second");
  WaitForToken("demo", "second");
}

// It opens each stream, and nothing ever comes of it.
TEST_F(ApiSourceTest, DoesNotBelieveAServerWhoseStreamsEndAtOnce) {
  OpenUsual();
  api_.AddFault({.kind = Kind::kCut, .part = "watch=true", .times = -1});
  api_.CutWatches();
  const State away = WaitUntil([](const State& state) { return !state.ok(); });
  EXPECT_THAT(
      away, StatusIs(absl::StatusCode::kUnavailable,
                     HasSubstr("watch dynakubes: every stream ends at once")));
  api_.ClearFaults();
  PutToken("demo", "second");
  WaitForToken("demo", "second");
}

TEST_F(ApiSourceTest, ListsAnewWhenItsVersionIsGone) {
  OpenUsual();
  const int lists = Lists("/secrets");
  PutToken("demo", "between");
  WaitForToken("demo", "between");
  api_.Compact();
  api_.CutWatches();
  PutToken("demo", "second");
  WaitForToken("demo", "second");
  WaitForWatches(4);
  EXPECT_GT(Lists("/secrets"), lists);
}

TEST_F(ApiSourceTest, ListsAnewWhenTheStreamSaysThatItsVersionIsGone) {
  OpenUsual();
  const int lists = Lists("/dynakubes");
  api_.SendRaw(kExpiredEvent);
  api_.Put(kDynaKubesPath, DynaKubeJson("more", R"("tokens":"demo")"));
  WaitForToken("more", "first");
  EXPECT_GT(Lists("/dynakubes"), lists);
}

TEST_F(ApiSourceTest, ResumesFromABookmark) {
  OpenUsual();
  const int lists = Lists("/");
  // The version moves on without the objects: only bookmarks tell.
  api_.Put(kSecretsPath, SecretJson("unrelated", "a", "b"));
  api_.Compact();
  api_.SendBookmarks();
  // What comes after a bookmark on the same stream has seen it.
  PutToken("demo", "second");
  WaitForToken("demo", "second");
  api_.SendBookmarks();
  api_.Put(kDynaKubesPath, DynaKubeJson("demo", R"("networkZone":"z")"));
  WaitUntil([](const State& state) {
    const auto desired = Desired(state, "demo");
    return desired.ok() && desired->network_zone == "z";
  });
  api_.CutWatches();
  PutToken("demo", "third");
  WaitForToken("demo", "third");
  WaitForWatches(4);
  EXPECT_EQ(Lists("/"), lists);
}

TEST_F(ApiSourceTest, FindsAStreamDeadThatHasNoBookmarksAnyMore) {
  const std::string bookmark =
      R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"1000"}}})"
      "\n";
  api_.Put(kDynaKubesPath, DynaKubeJson("demo"));
  PutToken("demo", "first");
  api_.AddFault({.kind = Kind::kStall,
                 .part = "watch=true",
                 .times = 4,
                 .after_bytes = static_cast<int64_t>(bookmark.size())});
  Open();
  WaitForToken("demo", "first");
  WaitForWatches(4);
  // Each is as long as what they let through; the secret's is longer.
  api_.SendRaw(bookmark);
  api_.AwaitRawSent();
  for (int i = 0; i < 1000; ++i) {
    api_.Put(kSecretsPath, SecretJson("unrelated", "a", "b"));
  }
  PutToken("demo", "second");
  WaitForToken("demo", "second");
}

TEST_F(ApiSourceTest, ObeysRetryAfter) {
  api_.Put(kDynaKubesPath, DynaKubeJson("demo"));
  PutToken("demo", "first");
  api_.AddFault({.part = "/dynakubes", .status = 429, .retry_after = "2"});
  Open();
  EXPECT_THAT(source_->List(),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("list dynakubes"), HasSubstr("429"))));
  WaitForToken("demo", "first");
  std::vector<absl::Time> asked;
  for (const KubeRequest& request : api_.Requests()) {
    if (absl::StrContains(request.target, "/dynakubes")) {
      asked.push_back(request.at);
    }
  }
  EXPECT_GE(asked[1] - asked[0], absl::Milliseconds(1900));
}

TEST_F(ApiSourceTest, GoesOnWithANewToken) {
  TempDir dir;
  const std::string file = dir.WriteFile("token", kKubeApiToken);
  api_.Put(kDynaKubesPath, DynaKubeJson("demo"));
  PutToken("demo", "first");
  OpenWith({.server = api_.url(), .token_file = file});
  WaitForToken("demo", "first");
  api_.SetToken("rotated");
  api_.CutWatches();
  const State away = WaitUntil([](const State& state) { return !state.ok(); });
  EXPECT_THAT(away,
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("dynakubes in namespace dynatrace"),
                             HasSubstr("401"), HasSubstr("; since "))));
  dir.WriteFile("token", "rotated");
  PutToken("demo", "second");
  WaitForToken("demo", "second");
}

TEST_F(ApiSourceTest, NamesTheRuleThatKeepsItFromTheDynaKubes) {
  api_.AddFault(
      {.part = "/dynakubes", .times = 2, .status = 403, .reason = "Forbidden"});
  api_.Put(kDynaKubesPath, DynaKubeJson("demo"));
  Open();
  EXPECT_THAT(
      source_->List(),
      StatusIs(absl::StatusCode::kUnavailable,
               HasSubstr("list dynakubes in namespace dynatrace: 403 fault "
                         "under test; the Role in namespace dynatrace needs "
                         "the rule {apiGroups: [\"dynatrace.com\"], resources: "
                         "[\"dynakubes\"], verbs: [\"list\"]}; since ")));
  WaitUntil([](const State& state) {
    return state.ok() && state->dynakubes.size() == 1;
  });
}

// One DynaKube's trouble is not another one's.
TEST_F(ApiSourceTest, NamesTheRuleThatKeepsItFromASecret) {
  api_.Put(kDynaKubesPath, DynaKubeJson("good"));
  api_.Put(kDynaKubesPath, DynaKubeJson("demo", R"("tokens":"locked")"));
  PutToken("good", "first");
  PutToken("locked", "second");
  api_.AddFault({.part = "name%3Dlocked",
                 .times = 3,
                 .status = 403,
                 .reason = "Forbidden"});
  Open();
  const State state = WaitForToken("good", "first");
  ASSERT_OK(state);
  EXPECT_TRUE(state->complete);
  ASSERT_EQ(state->problems.size(), 1u);
  EXPECT_EQ(state->problems[0].object, "Secret dynatrace/locked");
  EXPECT_EQ(state->problems[0].dynakube, "demo");
  EXPECT_THAT(
      state->problems[0].cause,
      AllOf(HasSubstr("list secrets locked in namespace dynatrace: 403"),
            HasSubstr("resources: [\"secrets\"], verbs: [\"list\"]")));
  EXPECT_THAT(WaitForToken("demo", "second")->problems, IsEmpty());
}

TEST_F(ApiSourceTest, UsesASecretOnThatItMayNotWatchAnyMore) {
  OpenUsual();
  api_.AddFault({.part = "/secrets", .times = -1, .status = 403});
  api_.CutWatches();
  const State state = WaitUntil(
      [](const State& each) { return each.ok() && !each->problems.empty(); });
  ASSERT_OK_AND_ASSIGN(const DesiredTenant desired, Desired(state, "demo"));
  EXPECT_EQ(desired.api_token, "first");
  EXPECT_THAT(state->problems[0].cause,
              AllOf(HasSubstr("watch secrets"), HasSubstr("verbs: [\"watch\"]"),
                    HasSubstr("; since ")));
}

TEST_F(ApiSourceTest, CatchesUpWhenTheServerWasAway) {
  OpenUsual();
  api_.SetAway(true);
  const State away = WaitUntil([](const State& state) { return !state.ok(); });
  EXPECT_THAT(away, StatusIs(absl::StatusCode::kUnavailable,
                             AllOf(HasSubstr("GET http://127.0.0.1"),
                                   HasSubstr("; since 20"))));
  // One text for one trouble, however often it is tried.
  source_->WaitForChange(absl::Milliseconds(200));
  EXPECT_EQ(source_->List().status(), away.status());
  PutToken("demo", "second");
  api_.Put(kDynaKubesPath, DynaKubeJson("more", R"("tokens":"demo")"));
  api_.SetAway(false);
  WaitForToken("demo", "second");
  WaitForToken("more", "second");
}

// While it is away one of all watches tries.
TEST_F(ApiSourceTest, KnocksWithOneFinger) {
  OpenUsual();
  api_.AddFault({.part = "", .times = -1, .status = 503});
  api_.CutWatches();
  WaitUntil([](const State& state) { return !state.ok(); });
  const int before = api_.CountRequests("/secrets");
  const int knocks = api_.CountRequests("/dynakubes");
  WaitUntil([&](const State&) {
    return api_.CountRequests("/dynakubes") >= knocks + 10;
  });
  EXPECT_LE(api_.CountRequests("/secrets") - before, 6);
}

TEST_F(ApiSourceTest, WaitsForTheCrd) {
  api_.SetVersions({});
  Open();
  EXPECT_THAT(source_->List(),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("no API group dynatrace.com: the CRD is not "
                                 "installed; since ")));
  api_.Put(kDynaKubesPath, DynaKubeJson("demo"));
  PutToken("demo", "first");
  api_.SetVersions({"v1alpha1", "v1beta5"});
  WaitForToken("demo", "first");
}

TEST_F(ApiSourceTest, SaysWhichVersionsTheTwoSidesKnow) {
  api_.SetVersions({"v2"});
  Open();
  EXPECT_THAT(source_->List(),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("dynatrace.com is served as v2; known are "
                                 "v1beta1 to v1beta6")));
}

TEST_F(ApiSourceTest, FollowsTheCrdToAnotherVersion) {
  OpenUsual();
  api_.SetVersions({"v1beta6"});
  api_.CutWatches();
  PutToken("demo", "second");
  WaitForToken("demo", "second");
  WaitUntil([&](const State& state) {
    return state.ok() && api_.OpenWatches("/v1beta6/") == 1;
  });
}

// The group is there by the grace of another kind, DynaKubes only in the older
// one of two versions.
TEST_F(ApiSourceTest, TriesTheNextVersionWhenTheNewestHasNoDynaKubes) {
  api_.SetVersions({"v1beta6", "v1beta5"});
  api_.AddFault({.part = "/v1beta6/", .times = -1, .status = 404});
  api_.Put(kDynaKubesPath, DynaKubeJson("demo"));
  PutToken("demo", "first");
  Open();
  WaitForToken("demo", "first");
}

TEST_F(ApiSourceTest, ReadsAnotherVersionWhileTheConversionWebhookIsDown) {
  api_.SetVersions({"v1beta6", "v1beta5"});
  api_.AddFault(
      {.kind = KubeFault::Kind::kBody,
       .part = "/v1beta6/",
       .times = -1,
       .status = 500,
       .body = R"({"kind":"Status","message":"conversion webhook for )"
               R"(dynatrace.com/v1beta5, Kind=DynaKube failed: no endpoints"})",
       .body_status = 500});
  api_.Put(kDynaKubesPath, DynaKubeJson("a"));
  PutToken("a", "TOKEN");
  Open();
  const State& state = WaitUntil([](const State& it) { return it.ok(); });
  ASSERT_EQ(state->dynakubes.size(), 1u);
  EXPECT_THAT(
      source_->WatchHealth(),
      StatusIs(absl::StatusCode::kUnavailable,
               AllOf(testing::StartsWith("DynaKubes are read as v1beta5: "),
                     HasSubstr("conversion webhook"))));
}

TEST_F(ApiSourceTest, TakesADeletedCrdForNoDynaKubesWhenTheyWereDeleted) {
  OpenUsual();
  api_.Delete(kDynaKubesPath, "demo");
  WaitUntil([](const State& state) {
    return state.ok() && state->dynakubes.empty();
  });
  api_.SetVersions({});
  api_.CutWatches();
  WaitUntil([&](const State&) {
    return api_.CountRequests("/apis/dynatrace.com") -
               api_.CountRequests("/dynakubes") >
           3;
  });
  const State state = source_->List();
  ASSERT_OK(state);
  EXPECT_TRUE(state->complete);

  api_.SetVersions({"v1beta5"});
  api_.Put(kDynaKubesPath, DynaKubeJson("demo"));
  WaitForToken("demo", "first");
}

// A server that has lost its CRD for a moment has not deleted anything.
TEST_F(ApiSourceTest, TakesNothingForDeletedThatItCannotSee) {
  OpenUsual();
  api_.SetVersions({});
  api_.CutWatches();
  const State state = WaitUntil([](const State& each) { return !each.ok(); });
  EXPECT_THAT(state, StatusIs(absl::StatusCode::kUnavailable,
                              HasSubstr("the CRD is not installed")));
  api_.SetVersions({"v1beta5"});
  WaitForToken("demo", "first");
}

}  // namespace
}  // namespace oneagent
