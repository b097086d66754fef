#include "overlay/layer_stack.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

LayerStack Stack(std::vector<std::string> lower, std::string upper = "",
                 std::string work = "") {
  return LayerStack{.lower = std::move(lower),
                    .upper = std::move(upper),
                    .work = std::move(work)};
}

// What stands before the layers for mount(2).
std::string Options(const std::string& layers) {
  return "index=off,metacopy=off,redirect_dir=off,nfs_export=off,xino=off," +
         layers;
}

TEST(PlanOverlay, WritableKeepsTheOrderAndIsVolatile) {
  ASSERT_OK_AND_ASSIGN(
      const OverlayPlan plan,
      PlanOverlay(Stack({"/top", "/mid", "/base"}, "/up", "/wk"), "/empty"));
  EXPECT_EQ(plan, (OverlayPlan{.lower = {"/top", "/mid", "/base"},
                               .upper = "/up",
                               .work = "/wk",
                               .read_only = false,
                               .is_volatile = true,
                               .legacy_options = Options(
                                   "lowerdir=/top:/mid:/base,upperdir=/up,"
                                   "workdir=/wk,volatile")}));
}

TEST(PlanOverlay, MayBeMadeDurable) {
  ASSERT_OK_AND_ASSIGN(OverlayPlan plan,
                       PlanOverlay(Stack({"/base"}, "/up", "/wk"), ""));
  plan = WithoutVolatile(std::move(plan));
  EXPECT_FALSE(plan.is_volatile);
  EXPECT_EQ(plan.legacy_options,
            Options("lowerdir=/base,upperdir=/up,workdir=/wk"));
}

TEST(PlanOverlay, WritableWithOneLowerNeedsNoEmptyLayer) {
  ASSERT_OK_AND_ASSIGN(const OverlayPlan plan,
                       PlanOverlay(Stack({"/base"}, "/up", "/wk"), ""));
  EXPECT_THAT(plan.lower, ElementsAre("/base"));
}

TEST(PlanOverlay, ReadOnlyIsNotVolatile) {
  ASSERT_OK_AND_ASSIGN(const OverlayPlan plan,
                       PlanOverlay(Stack({"/top", "/base"}), "/empty"));
  EXPECT_EQ(plan,
            (OverlayPlan{.lower = {"/top", "/base"},
                         .upper = "",
                         .work = "",
                         .read_only = true,
                         .is_volatile = false,
                         .legacy_options = Options("lowerdir=/top:/base")}));
}

TEST(PlanOverlay, ReadOnlyWithOneLowerGetsTheEmptyLayerBelow) {
  ASSERT_OK_AND_ASSIGN(const OverlayPlan plan,
                       PlanOverlay(Stack({"/base"}), "/empty"));
  EXPECT_THAT(plan.lower, ElementsAre("/base", "/empty"));
  EXPECT_EQ(plan.legacy_options, Options("lowerdir=/base:/empty"));
}

TEST(PlanOverlay, EscapesWhatOverlayfsWouldSplitOrUnescape) {
  struct Case {
    const char* name;
    const char* path;
    const char* want;
  };
  constexpr Case kCases[] = {
      {"plain", "/a/b", "/a/b"},
      {"colon", "/a:b", "/a\\:b"},
      {"comma", "/a,b", "/a\\,b"},
      {"backslash", "/a\\b", "/a\\\\b"},
      {"blank stays", "/a b", "/a b"},
      {"escaped looking", "/a\\:b", "/a\\\\\\:b"},
      {"option looking", "/x,upperdir=/etc", "/x\\,upperdir=/etc"},
      {"other bytes stay", "/a\n\t=#\"'\xff", "/a\n\t=#\"'\xff"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(EscapeLayerPath(c.path), c.want);
    ASSERT_OK_AND_ASSIGN(
        const OverlayPlan plan,
        PlanOverlay(Stack({c.path}, std::string(c.path) + "u", "/w"), ""));
    EXPECT_THAT(plan.lower, ElementsAre(c.path)) << "the list is not escaped";
    EXPECT_EQ(plan.legacy_options,
              Options(std::string("lowerdir=") + c.want +
                      ",upperdir=" + c.want + "u,workdir=/w,volatile"));
  }
}

TEST(PlanOverlay, RefusesStacksThatMakeNoSense) {
  struct Case {
    const char* name;
    LayerStack stack;
    std::string empty;
    const char* want;
  };
  const Case cases[] = {
      {"no lower", Stack({}), "/empty", "no lower layer"},
      {"no lower but upper", Stack({}, "/u", "/w"), "/empty", "no lower layer"},
      {"upper without work", Stack({"/a"}, "/u"), "/e", "upper without work"},
      {"work without upper", Stack({"/a"}, "", "/w"), "/e",
       "work without upper"},
      {"relative lower", Stack({"a", "/b"}), "/e",
       "lower layer \"a\": not an absolute path"},
      {"empty lower", Stack({"/b", ""}), "/e",
       "lower layer \"\": not an absolute path"},
      {"relative upper", Stack({"/a"}, "u", "/w"), "/e",
       "upper layer \"u\": not an absolute path"},
      {"relative work", Stack({"/a"}, "/u", "w"), "/e",
       "work layer \"w\": not an absolute path"},
      {"no empty layer", Stack({"/a"}), "",
       "empty layer \"\": not an absolute path"},
      {"NUL in lower", Stack({std::string("/a\0b", 4)}), "/e",
       "lower layer /a: carries a NUL byte"},
      {"NUL in upper", Stack({"/a"}, std::string("/u\0", 3), "/w"), "/e",
       "upper layer /u: carries a NUL byte"},
      {"NUL in work", Stack({"/a"}, "/u", std::string("/w\0x", 4)), "/e",
       "work layer /w: carries a NUL byte"},
      {"NUL in empty", Stack({"/a"}), std::string("/e\0", 3),
       "empty layer /e: carries a NUL byte"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(PlanOverlay(c.stack, c.empty),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.want)))
        << c.name;
  }
}

}  // namespace
}  // namespace oneagent
