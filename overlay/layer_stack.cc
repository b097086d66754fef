#include "overlay/layer_stack.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

absl::Status CheckLayer(absl::string_view noun, absl::string_view path) {
  if (path.empty() || path[0] != '/') {
    return absl::InvalidArgumentError(
        absl::StrCat(noun, " layer \"", path, "\": not an absolute path"));
  }
  // The system calls take C strings: a NUL would silently name another layer.
  if (absl::StrContains(path, '\0')) {
    return absl::InvalidArgumentError(
        absl::StrCat(noun, " layer ", path.substr(0, path.find('\0')),
                     ": carries a NUL byte"));
  }
  return absl::OkStatus();
}

absl::Status CheckStack(const LayerStack& stack) {
  if (stack.lower.empty()) {
    return absl::InvalidArgumentError("layer stack: no lower layer");
  }
  for (const std::string& path : stack.lower) {
    RETURN_IF_ERROR(CheckLayer("lower", path));
  }
  if (stack.upper.empty() != stack.work.empty()) {
    return absl::InvalidArgumentError(stack.work.empty()
                                          ? "layer stack: upper without work"
                                          : "layer stack: work without upper");
  }
  if (stack.upper.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckLayer("upper", stack.upper));
  return CheckLayer("work", stack.work);
}

std::string LegacyOptions(const OverlayPlan& plan) {
  std::string options;
  for (const OverlayOption& option : kOverlayOptions) {
    absl::StrAppend(&options, option.key, "=", option.value, ",");
  }
  const char* separator = "lowerdir=";
  for (const std::string& path : plan.lower) {
    absl::StrAppend(&options, separator, EscapeLayerPath(path));
    separator = ":";
  }
  if (!plan.upper.empty()) {
    absl::StrAppend(&options, ",upperdir=", EscapeLayerPath(plan.upper),
                    ",workdir=", EscapeLayerPath(plan.work));
  }
  if (plan.is_volatile) absl::StrAppend(&options, ",volatile");
  return options;
}

}  // namespace

std::string EscapeLayerPath(absl::string_view path) {
  std::string escaped;
  escaped.reserve(path.size());
  for (const char c : path) {
    if (c == ',' || c == ':' || c == '\\') escaped.push_back('\\');
    escaped.push_back(c);
  }
  return escaped;
}

absl::StatusOr<OverlayPlan> PlanOverlay(const LayerStack& stack,
                                        absl::string_view empty_layer) {
  RETURN_IF_ERROR(CheckStack(stack));
  OverlayPlan plan;
  plan.lower = stack.lower;
  plan.upper = stack.upper;
  plan.work = stack.work;
  plan.read_only = stack.upper.empty();
  // What has no upper has nothing to sync; the kernel would call the option
  // meaningless.
  plan.is_volatile = !plan.read_only;
  if (plan.read_only && plan.lower.size() == 1) {
    RETURN_IF_ERROR(CheckLayer("empty", empty_layer));
    plan.lower.emplace_back(empty_layer);
  }
  plan.legacy_options = LegacyOptions(plan);
  return plan;
}

OverlayPlan WithoutVolatile(OverlayPlan plan) {
  plan.is_volatile = false;
  plan.legacy_options = LegacyOptions(plan);
  return plan;
}

}  // namespace oneagent
