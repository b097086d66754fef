#include "cache/kube/cluster_mirror.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/posix_status.h"
#include "cache/kube/discovery.h"
#include "cache/kube/object_json.h"

namespace oneagent {
namespace {

constexpr absl::Duration kPerWatch = absl::Minutes(1);
constexpr absl::Duration kShortestWatch = absl::Minutes(10);
constexpr absl::Duration kLongestWatch = absl::Hours(4);
// Objects that are begun with at a time, and how soon the next ones follow.
constexpr int kStartedAtOnce = 25;
constexpr absl::Duration kStartPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestDiscoveryDelay = absl::Minutes(1);

std::string Since(absl::Time then) {
  return absl::StrCat("; since ", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", then,
                                                   absl::UTCTimeZone()));
}

std::string KindName(ObjectReference::Kind kind) {
  switch (kind) {
    case ObjectReference::Kind::kSecret:
      return "Secret";
    case ObjectReference::Kind::kConfigMap:
      return "ConfigMap";
  }
  return "";
}

// A server says so with 500: the CRD's webhook, which is the operator's, is
// down, or what it answers is not what was asked for.
bool IsConversionFailure(const absl::Status& status) {
  return absl::StrContains(status.message(), "conversion webhook");
}

absl::Status NoResource() {
  return absl::NotFoundError(absl::StrCat("no resource ", kDynaKubeResource,
                                          " in API group ", kDynaKubeGroup,
                                          ": the CRD is not installed"));
}

}  // namespace

ClusterMirror::ClusterMirror(ApiClient& client, Options options)
    : client_(client),
      options_(std::move(options)),
      undiscovered_since_(absl::Now()) {}

ClusterMirror::~ClusterMirror() {
  client_.Abandon(discovery_exchange_);
  client_.CancelTimer(discovery_timer_);
  client_.CancelTimer(start_timer_);
}

ApiResource ClusterMirror::DynaKubes(const std::string& version) const {
  return {.group = kDynaKubeGroup,
          .version = version,
          .resource = kDynaKubeResource,
          .namespace_name = options_.namespace_name};
}

void ClusterMirror::Discover() {
  discovery_timer_ = 0;
  discovery_exchange_ = client_.Begin(
      {.path = absl::StrCat("/apis/", kDynaKubeGroup)},
      {.on_done = [this](const absl::StatusOr<ApiAnswer>& answer) {
        discovery_exchange_ = 0;
        OnDiscovered(answer);
      }});
}

void ClusterMirror::OnDiscovered(const absl::StatusOr<ApiAnswer>& answer) {
  absl::Status failed = answer.status();
  if (answer.ok() && answer->code == 404) {
    failed = absl::NotFoundError(absl::StrCat("no API group ", kDynaKubeGroup,
                                              ": the CRD is not installed"));
  } else if (answer.ok()) {
    failed = ApiError(
        "get",
        {.version = "", .resource = absl::StrCat("/apis/", kDynaKubeGroup)},
        *answer);
  }
  if (failed.ok()) {
    absl::StatusOr<std::vector<std::string>> versions =
        CommonDynaKubeVersions(answer->body);
    if (versions.ok()) return TakeVersions(*std::move(versions));
    failed = versions.status();
  }
  // What worked so far goes on working.
  if (reflector_ == nullptr || !discovery_.ok()) discovery_ = failed;
  DiscoverAgain(std::max(
      DiscoveryDelay(),
      answer.ok() ? std::min(answer->retry_after.value_or(absl::ZeroDuration()),
                             options_.timing.longest_retry_after)
                  : absl::ZeroDuration()));
  options_.on_change();
}

absl::Duration ClusterMirror::DiscoveryDelay() {
  return std::min(kLongestDiscoveryDelay,
                  options_.timing.first_delay *
                      (int64_t{1} << std::min(discoveries_failed_++, 16))) *
         absl::Uniform(random_, 0.5, 1.0);
}

void ClusterMirror::DiscoverAgain(absl::Duration delay) {
  client_.CancelTimer(discovery_timer_);
  discovery_timer_ = client_.After(delay, [this] { Discover(); });
}

void ClusterMirror::TakeVersions(std::vector<std::string> versions) {
  versions_ = std::move(versions);
  tried_ = 0;
  const bool was_missing = !discovery_.ok();
  discovery_ = absl::OkStatus();
  DiscoverAgain(options_.discovery_period * absl::Uniform(random_, 0.9, 1.1));
  if (reflector_ == nullptr) {
    reflector_ = std::make_unique<Reflector>(
        client_, dynakubes_,
        Reflector::Options{.resource = DynaKubes(versions_[0]),
                           .timing = options_.timing,
                           .watch_time = [this] { return WatchTime(); },
                           .on_change = [this] { OnDynaKubes(); },
                           .is_held = [this] { return !discovery_.ok(); }});
    reflector_->Start();
  } else if (was_missing || reflector_->resource().version != versions_[0]) {
    reflector_->Restart(versions_[0]);
  }
}

void ClusterMirror::OnDynaKubes() {
  const bool is_healthy = reflector_->health().ok();
  const bool is_missing = absl::IsNotFound(reflector_->health());
  if (IsConversionFailure(reflector_->health()) &&
      tried_ + 1 < versions_.size()) {
    // The server stores another version, and cannot make this one of it. The
    // next discovery comes back to it.
    if (conversion_.ok()) conversion_ = reflector_->health();
    return reflector_->Restart(versions_[++tried_]);
  }
  if (is_healthy && tried_ == 0) conversion_ = absl::OkStatus();
  if (is_missing && discovery_.ok()) {
    if (++tried_ < versions_.size()) {
      return reflector_->Restart(versions_[tried_]);
    }
    // It is not served any more, or not yet.
    discovery_ = NoResource();
    DiscoverAgain(DiscoveryDelay());
  }
  if (is_healthy) {
    discoveries_failed_ = 0;
    UpdateReferred();
    if (!was_healthy_) {
      for (const auto& [reference, referred] : referred_) {
        referred->reflector->Retry();
      }
    }
  }
  was_healthy_ = is_healthy;
  options_.on_change();
}

void ClusterMirror::UpdateReferred() {
  std::set<ObjectReference> wanted;
  for (const auto& [name, dynakube] : dynakubes_.objects()) {
    if (!dynakube.ok()) continue;
    for (ObjectReference& each : ReferencesOf(*dynakube)) {
      wanted.insert(std::move(each));
    }
  }
  for (auto it = referred_.begin(); it != referred_.end();) {
    it = wanted.contains(it->first) ? std::next(it) : referred_.erase(it);
  }
  for (const ObjectReference& each : wanted) {
    if (referred_.contains(each)) continue;
    referred_.emplace(each, NewReferred(each));
    to_start_.push_back(each);
  }
  if (start_timer_ == 0) StartSome();
}

std::unique_ptr<ClusterMirror::Referred> ClusterMirror::NewReferred(
    const ObjectReference& reference) {
  auto referred = std::make_unique<Referred>();
  const bool is_secret = reference.kind == ObjectReference::Kind::kSecret;
  Collection& collection = is_secret
                               ? static_cast<Collection&>(referred->secrets)
                               : referred->config_maps;
  referred->reflector = std::make_unique<Reflector>(
      client_, collection,
      Reflector::Options{
          .resource = {.group = "",
                       .version = "v1",
                       .resource = is_secret ? "secrets" : "configmaps",
                       .namespace_name = options_.namespace_name,
                       .name = reference.name},
          .timing = options_.timing,
          .watch_time = [this] { return WatchTime(); },
          .on_change = [this] { options_.on_change(); },
          // Whether the server is back is tried by one of all.
          .is_held = [this] { return !reflector_->health().ok(); }});
  return referred;
}

// Not all at once: with hundreds of DynaKubes there may be thousands.
void ClusterMirror::StartSome() {
  start_timer_ = 0;
  for (int left = kStartedAtOnce; left > 0 && !to_start_.empty(); --left) {
    const auto found = referred_.find(to_start_.front());
    to_start_.pop_front();
    // It may be gone, or gone and there again, and then it stands here twice.
    if (found == referred_.end() || found->second->is_started) continue;
    found->second->is_started = true;
    found->second->reflector->Start();
  }
  if (to_start_.empty()) return;
  start_timer_ = client_.After(kStartPause, [this] { StartSome(); });
}

absl::Status ClusterMirror::WatchHealth() const {
  if (conversion_.ok() || reflector_ == nullptr) return absl::OkStatus();
  return Annotate(conversion_, absl::StrCat("DynaKubes are read as ",
                                            reflector_->resource().version));
}

absl::Duration ClusterMirror::WatchTime() const {
  const auto watches = static_cast<int64_t>(referred_.size() + 1);
  return std::clamp(watches * kPerWatch, kShortestWatch, kLongestWatch);
}

absl::Status ClusterMirror::Health() const {
  absl::Status why = discovery_;
  absl::Time since = undiscovered_since_;
  if (reflector_ != nullptr && !reflector_->health().ok()) {
    since = reflector_->failing_since();
    // While discovery goes round, one text for one state.
    if (why.ok() && absl::IsNotFound(reflector_->health())) why = NoResource();
    if (why.ok()) why = reflector_->health();
  }
  if (!why.ok()) {
    return absl::UnavailableError(absl::StrCat(why.message(), Since(since)));
  }
  if (!reflector_->HasList()) return absl::UnavailableError("not listed yet");
  return absl::OkStatus();
}

// A CRD that was deleted took its objects with it, and the watch told so: then
// there are none. What a server that has just lost its CRD for whatever reason
// does not list may exist all the same.
bool ClusterMirror::AreKnownToBeNone() const {
  return reflector_ != nullptr && reflector_->HasList() &&
         dynakubes_.objects().empty() &&
         (absl::IsNotFound(discovery_) ||
          absl::IsNotFound(reflector_->health()));
}

bool ClusterMirror::IsSettled() const {
  if (reflector_ == nullptr || !reflector_->health().ok()) {
    return discoveries_failed_ > 0 ||
           (reflector_ != nullptr && !reflector_->health().ok());
  }
  return reflector_->HasList() &&
         std::all_of(referred_.begin(), referred_.end(), [](const auto& each) {
           const Reflector& reflector = *each.second->reflector;
           return reflector.HasList() || !reflector.health().ok();
         });
}

bool ClusterMirror::IsPending(const v1::DynaKube& dynakube) const {
  for (const ObjectReference& each : ReferencesOf(dynakube)) {
    const auto found = referred_.find(each);
    if (found == referred_.end()) return true;
    const Reflector& reflector = *found->second->reflector;
    if (!reflector.HasList() && reflector.health().ok()) return true;
  }
  return false;
}

std::string ClusterMirror::ObjectName(const ObjectReference& reference) const {
  return absl::StrCat(KindName(reference.kind), " ", options_.namespace_name,
                      "/", reference.name);
}

std::optional<SourceProblem> ClusterMirror::ProblemOf(
    const v1::DynaKube& dynakube) const {
  for (const ObjectReference& each : ReferencesOf(dynakube)) {
    const Referred& referred = *referred_.at(each);
    absl::Status status;
    if (!referred.reflector->HasList()) status = referred.reflector->health();
    for (const auto& [name, secret] : referred.secrets.objects()) {
      status.Update(secret.status());
    }
    for (const auto& [name, config_map] : referred.config_maps.objects()) {
      status.Update(config_map.status());
    }
    if (status.ok()) continue;
    return SourceProblem{.object = ObjectName(each),
                         .cause = std::string(status.message()),
                         .dynakube = dynakube.metadata().name()};
  }
  return std::nullopt;
}

void ClusterMirror::AddDynaKube(const std::string& name,
                                const absl::StatusOr<v1::DynaKube>& dynakube,
                                ClusterState& state) const {
  const std::string object =
      absl::StrCat("DynaKube ", options_.namespace_name, "/", name);
  if (!IsDynaKubeName(name)) {
    // No volume can name it.
    state.problems.push_back(
        {.object = object, .cause = "metadata.name: not a DNS-1035 label"});
    return;
  }
  if (!dynakube.ok()) {
    state.problems.push_back({.object = object,
                              .cause = std::string(dynakube.status().message()),
                              .dynakube = name});
    return;
  }
  if (IsPending(*dynakube)) {
    state.complete = false;
    return;
  }
  if (std::optional<SourceProblem> problem = ProblemOf(*dynakube)) {
    state.problems.push_back(*std::move(problem));
    return;
  }
  state.dynakubes.push_back(*dynakube);
}

void ClusterMirror::AddReferred(ClusterState& state) const {
  for (const auto& [reference, referred] : referred_) {
    for (const auto& [name, secret] : referred->secrets.objects()) {
      if (secret.ok()) state.secrets.push_back(*secret);
    }
    for (const auto& [name, config_map] : referred->config_maps.objects()) {
      if (config_map.ok()) state.config_maps.push_back(*config_map);
    }
    const Reflector& reflector = *referred->reflector;
    if (!reflector.HasList() || reflector.health().ok()) continue;
    // What it was is used on.
    state.problems.push_back(
        {.object = ObjectName(reference),
         .cause = absl::StrCat(reflector.health().message(),
                               Since(reflector.failing_since()))});
  }
}

absl::StatusOr<ClusterState> ClusterMirror::Snapshot() const {
  const absl::Status health = Health();
  if (!health.ok() && !AreKnownToBeNone()) return health;
  ClusterState state;
  for (const auto& [name, dynakube] : dynakubes_.objects()) {
    AddDynaKube(name, dynakube, state);
  }
  AddReferred(state);
  return state;
}

}  // namespace oneagent
