// What a cluster asks for arrives, and nothing else is asked for.
#include "cache/kube/api_source.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/unit/kube/api_source_fixture.h"

namespace oneagent {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::vector<std::string> Names(const ClusterState& state) {
  std::vector<std::string> names;
  for (const v1::DynaKube& each : state.dynakubes) {
    names.push_back(each.metadata().name());
  }
  return names;
}

class PagedApiSourceTest : public ApiSourceTest {
 protected:
  PagedApiSourceTest() : ApiSourceTest({.page_limit = 2}) {}
};

TEST_F(PagedApiSourceTest, ReadsAllPages) {
  for (const std::string name : {"a", "b", "c", "d", "e"}) {
    api_.Put(kDynaKubesPath, DynaKubeJson(name));
  }
  Open();
  const State state = source_->List();
  ASSERT_OK(state);
  EXPECT_THAT(Names(*state), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_TRUE(state->complete);
  EXPECT_THAT(state->problems, IsEmpty());
  EXPECT_EQ(Lists("/dynakubes"), 3);
}

TEST_F(PagedApiSourceTest, ListsAnewWhenThePagesAreGone) {
  for (const std::string name : {"a", "b", "c"}) {
    api_.Put(kDynaKubesPath, DynaKubeJson(name));
  }
  api_.AddFault({.part = "continue=", .status = 410, .reason = "Expired"});
  Open();
  const State state = source_->List();
  ASSERT_OK(state);
  EXPECT_THAT(Names(*state), ElementsAre("a", "b", "c"));
  EXPECT_EQ(Lists("/dynakubes"), 4);
}

TEST_F(ApiSourceTest, ReadsWhatADynaKubeRefersToAndNothingElse) {
  for (int i = 0; i < 300; ++i) {
    api_.Put(kSecretsPath, SecretJson(absl::StrCat("other-", i), "a", "b"));
  }
  api_.Put(kDynaKubesPath,
           DynaKubeJson("demo", R"("tokens":"tokens","trustedCAs":"cas",)"
                                R"("proxy":{"valueFrom":"proxy"})"));
  PutToken("tokens", "TOKEN");
  api_.Put(kSecretsPath,
           SecretJson("demo-oneagent-tenant-secret", "tenant-token", "TT"));
  api_.Put(kSecretsPath, SecretJson("proxy", "proxy", "http://p:3128"));
  const std::string pem = MakeSelfSigned().pem;
  api_.Put(
      kConfigMapsPath,
      absl::StrCat(R"({"metadata":{"namespace":"dynatrace","name":"cas"},)",
                   R"("data":{"certs":")",
                   absl::StrReplaceAll(pem, {{"\n", "\\n"}}), "\"}}"));
  Open();
  const State state = source_->List();
  ASSERT_OK_AND_ASSIGN(const DesiredTenant desired, Desired(state, "demo"));
  EXPECT_EQ(desired.api_token, "TOKEN");
  EXPECT_EQ(desired.tenant_token, "TT");
  EXPECT_EQ(desired.proxy, "http://p:3128");
  EXPECT_EQ(desired.trusted_cas, pem);
  EXPECT_EQ(state->secrets.size(), 3u);
  WaitForWatches(6);
  for (const KubeRequest& request : api_.Requests()) {
    if (absl::StartsWith(request.target, "/api/v1/")) {
      EXPECT_THAT(request.target, HasSubstr("fieldSelector=metadata.name%3D"));
    }
  }
}

// Its value would go into a selector.
TEST_F(ApiSourceTest, AsksForNoNameThatNoObjectCanHave) {
  api_.Put(kDynaKubesPath,
           DynaKubeJson("demo", R"("tokens":"x,metadata.namespace!=y")"));
  Open();
  const State state = source_->List();
  ASSERT_OK(state);
  EXPECT_THAT(Desired(state, "demo"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("not found (tokens)")));
  EXPECT_EQ(api_.CountRequests("namespace%21"), 0);
}

TEST_F(ApiSourceTest, SeesEveryChange) {
  OpenUsual();
  PutToken("demo", "second");
  WaitForToken("demo", "second");

  api_.Put(kDynaKubesPath, DynaKubeJson("demo", R"("tokens":"appears")"));
  WaitUntil([](const State& state) {
    return absl::StrContains(Desired(state, "demo").status().message(),
                             "dynatrace/appears: not found (tokens)");
  });
  PutToken("appears", "third");
  WaitForToken("demo", "third");
  api_.Delete(kSecretsPath, "appears");
  WaitUntil([](const State& state) {
    return absl::StrContains(Desired(state, "demo").status().message(),
                             "dynatrace/appears: not found (tokens)");
  });

  api_.Put(kDynaKubesPath, DynaKubeJson("more", R"("tokens":"demo")"));
  WaitForToken("more", "second");
  api_.Delete(kDynaKubesPath, "demo");
  const State state = WaitUntil([](const State& each) {
    return each.ok() && each->dynakubes.size() == 1;
  });
  EXPECT_TRUE(state->complete);
  EXPECT_EQ(api_.CountRequests("tokens-nobody"), 0);
}

TEST_F(ApiSourceTest, StopsWatchingWhatNobodyRefersTo) {
  OpenUsual();
  api_.Delete(kDynaKubesPath, "demo");
  WaitUntil([](const State& state) {
    return state.ok() && state->dynakubes.empty();
  });
  // The server finds out when it has something to say.
  PutToken("demo", "unheard");
  WaitForWatches(3);
  EXPECT_EQ(source_->List()->secrets.size(), 0u);
}

TEST_F(ApiSourceTest, LeavesABrokenObjectAlone) {
  api_.Put(kDynaKubesPath, DynaKubeJson("good"));
  api_.Put(kDynaKubesPath, DynaKubeJson("bad", R"("proxy":"HUSH")"));
  api_.Put(kDynaKubesPath, DynaKubeJson("dotted.name"));
  PutToken("good", "first");
  Open();
  State state = WaitForToken("good", "first");
  ASSERT_OK(state);
  EXPECT_THAT(Names(*state), ElementsAre("good"));
  EXPECT_TRUE(state->complete) << "which ones there are is known";
  const SourceProblem bad = {.object = "DynaKube dynatrace/bad",
                             .cause = "spec.proxy: not of the expected type",
                             .dynakube = "bad"};
  const SourceProblem dotted = {.object = "DynaKube dynatrace/dotted.name",
                                .cause = "metadata.name: not a DNS-1035 label",
                                .dynakube = ""};
  EXPECT_THAT(state->problems, UnorderedElementsAre(bad, dotted));

  // The same by an event.
  api_.Put(kDynaKubesPath, DynaKubeJson("bad"));
  WaitUntil([](const State& each) {
    return each.ok() && each->dynakubes.size() == 2;
  });
  api_.Put(kDynaKubesPath, DynaKubeJson("bad", R"("proxy":"HUSH")"));
  state = WaitUntil([](const State& each) {
    return each.ok() && each->dynakubes.size() == 1;
  });
  EXPECT_THAT(state->problems, UnorderedElementsAre(bad, dotted));
}

TEST_F(ApiSourceTest, AsksForLongerWatchesTheMoreThereAre) {
  for (int i = 0; i < 30; ++i) {
    api_.Put(kDynaKubesPath, DynaKubeJson(absl::StrCat("dk-", i)));
  }
  Open();
  ASSERT_OK(source_->List());
  WaitForWatches(91);
  int checked = 0;
  for (const KubeRequest& request : api_.Requests()) {
    const std::string marker = "timeoutSeconds=";
    const size_t at = request.target.find(marker);
    if (at == std::string::npos || absl::StrContains(request.target, "dynaku"))
      continue;
    int seconds = 0;
    ASSERT_TRUE(
        absl::SimpleAtoi(request.target.substr(at + marker.size()), &seconds));
    // 91 watches, a minute each, and a tenth of jitter: 60 an hour.
    EXPECT_GE(seconds, 91 * 60 * 9 / 10 - 1);
    EXPECT_LE(seconds, 91 * 60 * 11 / 10 + 1);
    ++checked;
  }
  EXPECT_EQ(checked, 90);
  // At the start: discovery, and a list and a watch of each.
  EXPECT_EQ(api_.Requests().size(), 1u + 2u * 91u);
}

TEST_F(ApiSourceTest, WaitsItsStartJitterButNotForTheEnd) {
  api_.Put(kDynaKubesPath, DynaKubeJson("demo"));
  // A random part of it, which is less than a minute once in many years.
  Open(absl::Hours(24 * 365 * 100));
  std::thread interrupter([&] { source_->Interrupt(); });
  EXPECT_THAT(source_->List(), StatusIs(absl::StatusCode::kUnavailable,
                                        HasSubstr("not listed yet")));
  interrupter.join();
  EXPECT_EQ(api_.Requests().size(), 0u);
}

}  // namespace
}  // namespace oneagent
