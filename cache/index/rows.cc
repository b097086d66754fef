#include "cache/index/rows.h"

#include <initializer_list>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace oneagent {
namespace {

template <typename Enum>
absl::StatusOr<Enum> ParseName(absl::string_view what, absl::string_view name,
                               std::initializer_list<Enum> all) {
  for (const Enum value : all) {
    if (name == Name(value)) return value;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": no such name: '", name, "'"));
}

}  // namespace

const char* Name(TreeState state) {
  switch (state) {
    case TreeState::kReady:
      return "ready";
    case TreeState::kMissing:
      return "missing";
  }
  return "";
}

const char* Name(TenantState state) {
  switch (state) {
    case TenantState::kReady:
      return "ready";
    case TenantState::kWaiting:
      return "waiting";
    case TenantState::kFailed:
      return "failed";
  }
  return "";
}

const char* Name(VolumeMode mode) {
  switch (mode) {
    case VolumeMode::kApp:
      return "app";
    case VolumeMode::kHost:
      return "host";
  }
  return "";
}

const char* Name(VolumeState state) {
  switch (state) {
    case VolumeState::kWaiting:
      return "waiting";
    case VolumeState::kMounting:
      return "mounting";
    case VolumeState::kMounted:
      return "mounted";
    case VolumeState::kEmpty:
      return "empty";
  }
  return "";
}

absl::StatusOr<TreeState> ParseTreeState(absl::string_view name) {
  return ParseName("state", name, {TreeState::kReady, TreeState::kMissing});
}

absl::StatusOr<TenantState> ParseTenantState(absl::string_view name) {
  return ParseName(
      "state", name,
      {TenantState::kReady, TenantState::kWaiting, TenantState::kFailed});
}

absl::StatusOr<VolumeMode> ParseVolumeMode(absl::string_view name) {
  return ParseName("mode", name, {VolumeMode::kApp, VolumeMode::kHost});
}

absl::StatusOr<VolumeState> ParseVolumeState(absl::string_view name) {
  return ParseName("state", name,
                   {VolumeState::kWaiting, VolumeState::kMounting,
                    VolumeState::kMounted, VolumeState::kEmpty});
}

absl::Time ToRowPrecision(absl::Time time) {
  if (time == absl::InfinitePast()) return time;
  return absl::FromUnixMillis(absl::ToUnixMillis(time));
}

}  // namespace oneagent
