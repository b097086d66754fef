#include "cache/kube/collection.h"

#include <string>
#include <utility>

#include "absl/strings/strip.h"
#include "cache/kube/object_json.h"
#include "proto/json.h"

namespace oneagent {
namespace {

template <typename Object>
struct Messages;
template <>
struct Messages<v1::DynaKube> {
  using List = v1::DynaKubeList;
  using Event = v1::DynaKubeEvent;
};
template <>
struct Messages<v1::Secret> {
  using List = v1::SecretList;
  using Event = v1::SecretEvent;
};
template <>
struct Messages<v1::ConfigMap> {
  using List = v1::ConfigMapList;
  using Event = v1::ConfigMapEvent;
};

// What is read of a DynaKube's annotations has a prefix of its own; kubectl's
// copy of the whole object, in a Secret with all its values, is only weight.
void DropWeight(v1::ObjectMeta& meta) {
  meta.mutable_annotations()->erase(
      "kubectl.kubernetes.io/last-applied-configuration");
  meta.clear_labels();
}

template <typename Object>
Object Kept(Object object) {
  DropWeight(*object.mutable_metadata());
  return object;
}

}  // namespace

template <typename Object>
absl::StatusOr<v1::ListMeta> ObjectMap<Object>::AddPage(
    const std::string& body) {
  typename Messages<Object>::List page;
  if (ParseJson(body, &page).ok()) {
    for (Object& object : *page.mutable_items()) {
      std::string name = object.metadata().name();
      listed_.insert_or_assign(std::move(name), Kept(std::move(object)));
    }
  } else {
    // Slower: each by itself, so that a broken one leaves the others alone.
    v1::ObjectList objects;
    if (!ParseJson(body, &objects).ok()) {
      return absl::InvalidArgumentError("not a list of objects");
    }
    *page.mutable_metadata() = objects.metadata();
    for (const google::protobuf::Struct& item : objects.items()) {
      const std::string json = PrintJson(item);
      const auto which = ParseObject<v1::WatchedObject>(json);
      if (!which.ok()) return which.status();
      absl::StatusOr<Object> object = ParseObject<Object>(json);
      if (object.ok()) object = Kept(*std::move(object));
      listed_.insert_or_assign(which->metadata().name(), std::move(object));
    }
  }
  if (page.metadata().resource_version().empty()) {
    return absl::InvalidArgumentError("a list without a resource version");
  }
  return page.metadata();
}

template <typename Object>
void ObjectMap<Object>::Apply(const WatchEvent& event) {
  if (event.type == WatchEvent::Type::kDeleted) {
    objects_.erase(event.name);
    return;
  }
  auto parsed = ParseObject<typename Messages<Object>::Event>(event.line);
  if (parsed.ok()) {
    objects_.insert_or_assign(event.name,
                              Kept(std::move(*parsed->mutable_object())));
  } else {
    // The field's path as it is in a list.
    objects_.insert_or_assign(event.name,
                              absl::InvalidArgumentError(absl::StripPrefix(
                                  parsed.status().message(), "object.")));
  }
}

template class ObjectMap<v1::DynaKube>;
template class ObjectMap<v1::Secret>;
template class ObjectMap<v1::ConfigMap>;

}  // namespace oneagent
