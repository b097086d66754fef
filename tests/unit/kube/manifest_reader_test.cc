#include "cache/kube/manifest_reader.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

ClusterState Read(absl::string_view text) {
  ManifestReader reader;
  reader.Add("m.yaml", text);
  return std::move(reader).Finish();
}

std::vector<std::string> Names(const ClusterState& state) {
  std::vector<std::string> names;
  for (const v1::DynaKube& dynakube : state.dynakubes) {
    names.push_back(absl::StrCat(dynakube.metadata().namespace_(), "/",
                                 dynakube.metadata().name()));
  }
  return names;
}

std::string DynaKube(const std::string& name,
                     const std::string& version = "v1beta6") {
  return absl::StrCat("---\napiVersion: dynatrace.com/", version,
                      "\nkind: DynaKube\nmetadata: {name: ", name, "}\n");
}

TEST(ManifestReaderTest, ReadsObjectsAndLeavesOthersOut) {
  const ClusterState state = Read(R"(
apiVersion: dynatrace.com/v1beta6
kind: DynaKube
metadata:
  name: prod
  namespace: dynatrace
  annotations: {feature.dynatrace.com/no-proxy: a.example}
spec:
  apiUrl: https://t.example/api
  oneAgent: {cloudNativeFullStack: {version: 1.2.3.4-5}}
  futureField: [1, {a: null}]
---
apiVersion: v1
kind: Secret
metadata: {name: prod}
data:
  apiToken: |
    dG9r
    ZW4=
stringData: {paasToken: plain}
---
{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cas"},"data":{"certs":"PEM"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: other}
spec: {replicas: 3}
)");
  EXPECT_THAT(Names(state), ElementsAre("dynatrace/prod"));
  EXPECT_EQ(state.dynakubes[0].spec().api_url(), "https://t.example/api");
  EXPECT_EQ(
      state.dynakubes[0].spec().one_agent().cloud_native_full_stack().version(),
      "1.2.3.4-5");
  ASSERT_EQ(state.secrets.size(), 1u);
  EXPECT_EQ(state.secrets[0].metadata().namespace_(), "default");
  EXPECT_EQ(state.secrets[0].data().at("apiToken"), "token");
  EXPECT_EQ(state.secrets[0].data().at("paasToken"), "plain");
  ASSERT_EQ(state.config_maps.size(), 1u);
  EXPECT_EQ(state.config_maps[0].data().at("certs"), "PEM");
  EXPECT_THAT(state.problems, IsEmpty());
  EXPECT_TRUE(state.complete);
}

TEST(ManifestReaderTest, AcceptsTheKnownVersionsOnly) {
  for (int i = 1; i <= 6; ++i) {
    const ClusterState state = Read(DynaKube("a", absl::StrCat("v1beta", i)));
    EXPECT_THAT(Names(state), ElementsAre("default/a")) << i;
  }
  const ClusterState state = Read(DynaKube("a", "v1beta7"));
  EXPECT_TRUE(state.dynakubes.empty());
  EXPECT_THAT(
      state.problems,
      ElementsAre(SourceProblem{
          .object = "m.yaml:2",
          .cause = "apiVersion dynatrace.com/v1beta7: not supported, use "
                   "dynatrace.com/v1beta6",
          .dynakube = "a"}));
  // It is known to exist: nothing is hidden.
  EXPECT_TRUE(state.complete);
}

TEST(ManifestReaderTest, ReadsListsOfBothKinds) {
  const ClusterState state = Read(R"(
apiVersion: v1
kind: List
items:
- apiVersion: dynatrace.com/v1beta5
  kind: DynaKube
  metadata: {name: b, generation: 12345678}
- {apiVersion: v1, kind: Service, metadata: {name: s}}
- {apiVersion: dynatrace.com/v1beta5, kind: DynaKube, metadata: {name: Bad}}
---
apiVersion: v1
kind: SecretList
items: [{metadata: {name: s}, data: {apiToken: YQ==}}]
---
apiVersion: dynatrace.com/v1beta6
kind: DynaKubeList
items: [{metadata: {name: a}}]
)");
  EXPECT_THAT(Names(state), ElementsAre("default/a", "default/b"));
  EXPECT_EQ(state.dynakubes[1].metadata().generation(), 12345678);
  ASSERT_EQ(state.secrets.size(), 1u);
  EXPECT_EQ(state.secrets[0].data().at("apiToken"), "a");
  EXPECT_THAT(
      state.problems,
      ElementsAre(SourceProblem{.object = "m.yaml:9",
                                .cause = "metadata.name: not a DNS-1035 label",
                                .dynakube = ""}));
  EXPECT_FALSE(state.complete);
}

TEST(ManifestReaderTest, AListWithinAListIsLeftOut) {
  const ClusterState state = Read(
      "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: List, "
      "items: []}]}");
  EXPECT_THAT(state.problems, IsEmpty());
}

TEST(ManifestReaderTest, ABrokenDocumentMayHideADynaKube) {
  const ClusterState state = Read(
      DynaKube("a") + "---\nkind: DynaKube\nmetadata: [\n" + DynaKube("b"));
  EXPECT_THAT(Names(state), ElementsAre("default/a", "default/b"));
  ASSERT_EQ(state.problems.size(), 1u);
  EXPECT_EQ(state.problems[0].object, "m.yaml:8");
  EXPECT_FALSE(state.complete);
}

TEST(ManifestReaderTest, WhatIsNoObjectIsAProblem) {
  for (const char* text :
       {"just text", "[{kind: DynaKube}]", "metadata: {name: a}",
        "{kind: DynaKube, metadata: 3}"}) {
    const ClusterState state = Read(text);
    EXPECT_EQ(state.problems.size(), 1u) << text;
    EXPECT_FALSE(state.complete) << text;
  }
}

TEST(ManifestReaderTest, NamesThatAreNoLabelAreRefused) {
  for (const char* name :
       {"''", "A", "../x", "a/b", "1a", "a-", "a.b", "\"a\\nb\"",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
    const ClusterState state = Read(DynaKube(name));
    EXPECT_TRUE(state.dynakubes.empty()) << name;
    EXPECT_EQ(state.problems.size(), 1u) << name;
  }
}

TEST(ManifestReaderTest, AFieldOfTheWrongTypeIsNamedWithoutItsValue) {
  const ClusterState state =
      Read(DynaKube("a") + "spec: {proxy: {value: {hunter2: 1}}}\n" +
           DynaKube("b") + "spec: {oneAgent: {hostGroup: 7}}\n");
  EXPECT_TRUE(state.dynakubes.empty());
  EXPECT_THAT(state.problems,
              ElementsAre(SourceProblem{.object = "m.yaml:2",
                                        .cause = "spec.proxy: not of the "
                                                 "expected type",
                                        .dynakube = "a"},
                          SourceProblem{.object = "m.yaml:7",
                                        .cause = "spec.oneAgent.hostGroup: "
                                                 "not of the expected type",
                                        .dynakube = "b"}));
  EXPECT_TRUE(state.complete);
}

TEST(ManifestReaderTest, ABrokenSecretNeverShowsItsContent) {
  for (const char* data :
       {"data: {apiToken: 'hunter2!'}", "data: {apiToken: [hunter2]}",
        "data: [hunter2]", "stringData: {apiToken: {a: hunter2}}",
        "stringData: hunter2", "data: hunter2: hunter2"}) {
    const ClusterState state =
        Read(std::string("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n")
                 .append(data));
    EXPECT_TRUE(state.secrets.empty()) << data;
    ASSERT_EQ(state.problems.size(), 1u) << data;
    EXPECT_THAT(state.problems[0].cause, Not(HasSubstr("hunter2"))) << data;
  }
}

TEST(ManifestReaderTest, DynaKubesOfOneNameAreNotUsedAndAllAreNamed) {
  ManifestReader reader;
  reader.Add("a.yaml", DynaKube("{name: x}") + DynaKube("ok"));
  reader.Add("b.yaml",
             "apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
             "metadata: {name: x, namespace: one}\n---\n"
             "apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
             "metadata: {name: x, namespace: two}\n");
  const ClusterState state = std::move(reader).Finish();
  EXPECT_THAT(Names(state), ElementsAre("default/ok"));
  const SourceProblem& problem = state.problems.back();
  EXPECT_EQ(problem.object, "DynaKube one/x");
  EXPECT_EQ(problem.dynakube, "x");
  EXPECT_THAT(problem.cause, AllOf(HasSubstr("one/x (b.yaml:1)"),
                                   HasSubstr("two/x (b.yaml:5)")));
}

TEST(ManifestReaderTest, TheFirstOfTwoEqualSecretsCounts) {
  const ClusterState state = Read(
      "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: "
      "first}}\n---\n{apiVersion: v1, kind: Secret, metadata: {name: s, "
      "namespace: default}, stringData: {a: second}}\n");
  ASSERT_EQ(state.secrets.size(), 1u);
  EXPECT_EQ(state.secrets[0].data().at("a"), "first");
  EXPECT_THAT(state.problems,
              ElementsAre(SourceProblem{
                  .object = "m.yaml:3",
                  .cause = "Secret default/s: was there before, left out",
                  .dynakube = ""}));
}

TEST(ManifestReaderTest, AByteOrderMarkIsNoContent) {
  for (const std::string text :
       {"apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
        "metadata: {name: prod}\n",
        "{\"apiVersion\": \"dynatrace.com/v1beta6\", \"kind\": \"DynaKube\", "
        "\"metadata\": {\"name\": \"prod\"}}",
        "---\napiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
        "metadata: {name: prod}\n"}) {
    ManifestReader reader;
    reader.Add("m.yaml", "\xef\xbb\xbf" + text);
    const ClusterState state = std::move(reader).Finish();
    EXPECT_EQ(state.dynakubes.size(), 1u) << text;
    EXPECT_TRUE(state.complete);
    EXPECT_TRUE(state.problems.empty());
  }
}

}  // namespace
}  // namespace oneagent
