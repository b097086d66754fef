#include "cache/source/process_config.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::FieldsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const ConfProperty kGood = {"general", "good", "yes"};

// An answer with that property beside a good one.
absl::StatusOr<ProcessConfig> ParseWith(const std::string& property) {
  return ParseProcessConfig(absl::StrCat(
      R"({"revision": 7, "properties": [)", property,
      R"(, {"section": "general", "key": "good", "value": "yes"}]})"));
}

TEST(ProcessConfigTest, ReadsWhatTheApiAnswers) {
  EXPECT_THAT(ParseProcessConfig(R"({"revision": 7, "properties": [
                  {"section": "general", "key": "b", "value": "1 2"}]})"),
              IsOkAndHolds(FieldsAre(
                  7, ElementsAre(ConfProperty{"general", "b", "1 2"}), "")));
  for (const char* const empty : {"{}", R"({"revision": 7})"}) {
    EXPECT_THAT(
        ParseProcessConfig(empty),
        StatusIs(absl::StatusCode::kInvalidArgument, "empty properties"));
  }
  for (const char* const garbage : {"", "SECRET", R"([{"properties": []}])",
                                    R"({"properties": "SECRET"})"}) {
    EXPECT_THAT(ParseProcessConfig(garbage),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         "not the JSON that was expected"));
  }
}

TEST(ProcessConfigTest, AnOddPropertyIsMadePlain) {
  struct Case {
    std::string property;
    ConfProperty want;
  };
  const Case cases[] = {
      {R"({"section": "general", "key": "k", "value": "a\tb"})",
       {"general", "k", "ab"}},
      {R"({"section": "general", "key": "k", "value": "ab\r\n"})",
       {"general", "k", "ab"}},
      {R"({"section": "general", "key": "k", "value": "x\n[other]\ny z"})",
       {"general", "k", "x[other]y z"}},
      {R"({"section": "general", "key": "k", "value": "a\u0000b\u007f"})",
       {"general", "k", "ab"}},
      {R"({"section": " general\n", "key": "k\n", "value": "v"})",
       {"general", "k", "v"}},
      {R"({"section": "general", "key": "k", "value": 5})",
       {"general", "k", "5"}},
      {R"({"section": "general", "key": "k", "value": -0.25})",
       {"general", "k", "-0.25"}},
      {R"({"section": "general", "key": "k", "value": true})",
       {"general", "k", "true"}},
      {R"({"section": "general", "key": 5, "value": ""})",
       {"general", "5", ""}},
      {R"({"section": "general", "key": "k"})", {"general", "k", ""}},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(ParseWith(c.property),
                IsOkAndHolds(FieldsAre(7, ElementsAre(c.want, kGood), "")))
        << c.property;
  }
}

TEST(ProcessConfigTest, WhatNoFileCanHaveIsLeftOutByName) {
  struct Case {
    std::string property;
    std::string left_out;
  };
  const Case cases[] = {
      {R"({"section": "", "key": "k", "value": "SECRET"})",
       "property .k: empty section"},
      {R"({"key": "k", "value": "SECRET"})", "property .k: empty section"},
      {R"({"section": "general", "key": "my key", "value": "SECRET"})",
       "property general.my key: blank in the key"},
      {R"({"section": "general", "key": "\n", "value": "SECRET"})",
       "property general.: empty key"},
      {R"({"section": "general", "key": "k", "value": null})",
       "property general.k: no text, number or boolean for a value"},
      {R"({"section": "general", "key": "k", "value": ["SECRET"]})",
       "property general.k: no text, number or boolean for a value"},
      {"5", "property .: empty section"},
      {"null", "property .: empty section"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(ParseWith(c.property),
                IsOkAndHolds(FieldsAre(7, ElementsAre(kGood), c.left_out)))
        << c.property;
  }
  EXPECT_THAT(ParseProcessConfig(R"({"properties": [{"value": "SECRET"}]})"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "no usable properties: property .: empty section"));
}

TEST(ProcessConfigTest, ManyOddOnesAreCounted) {
  std::string properties;
  for (int i = 0; i < 100; ++i) {
    absl::StrAppend(&properties, i > 0 ? "," : "", R"({"section": ")",
                    std::string(1000, 'x'), R"(", "key": "a b", "value": ""})");
  }
  ASSERT_OK_AND_ASSIGN(const ProcessConfig config, ParseWith(properties));
  EXPECT_THAT(config.properties, ElementsAre(kGood));
  EXPECT_THAT(config.left_out, HasSubstr("; and 95 more"));
  EXPECT_LT(config.left_out.size(), 1000u);
}

TEST(ProcessConfigTest, ARevisionThatIsNoneIsAskedForAnew) {
  for (const std::string revision :
       {"1e30", "-1", "9007199254740993", "\"7\"", "null", "{}", "true"}) {
    EXPECT_THAT(ParseProcessConfig(absl::StrCat(
                    R"({"properties": [{"section": "general", "key": "good",
                "value": "yes"}], "revision": )",
                    revision, "}")),
                IsOkAndHolds(FieldsAre(0, ElementsAre(kGood), "")))
        << revision;
  }
}

TEST(ProcessConfigTest, NothingNewerIsNeitherRevisionNorProperties) {
  EXPECT_TRUE(IsEmptyProcessConfig("{}"));
  EXPECT_TRUE(IsEmptyProcessConfig(R"({"revision": 0, "properties": []})"));
  EXPECT_FALSE(IsEmptyProcessConfig(R"({"revision": 7, "properties": []})"));
  EXPECT_FALSE(IsEmptyProcessConfig(R"({"properties": [{}]})"));
  EXPECT_FALSE(IsEmptyProcessConfig("[]"));
}

}  // namespace
}  // namespace oneagent
