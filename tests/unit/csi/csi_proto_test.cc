// proto/csi.proto and proto/pluginregistration.proto are written by hand: their
// names and numbers against those of the CSI specification 1.12 and of
// kubelet's plugin registration. What differs here would be read as something
// else by kubelet, or not at all.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "proto/csi.pb.h"
#include "proto/pluginregistration.pb.h"

namespace oneagent {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::EnumDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::FileDescriptor;
using ::google::protobuf::MethodDescriptor;
using ::google::protobuf::ServiceDescriptor;
using ::testing::ElementsAreArray;

// Full name -> its lines: what is on the wire, for each field, value, method.
using Listing = std::map<std::string, std::vector<std::string>>;

// "<number> <name>: <type>[ of <oneof>][, secret]"
const Listing& SpecifiedMessages() {
  static const auto* const kListing = new Listing{
      {"csi.v1.CapacityRange",
       {"1 required_bytes: int64", "2 limit_bytes: int64"}},
      {"csi.v1.GetPluginCapabilitiesRequest", {}},
      {"csi.v1.GetPluginCapabilitiesResponse",
       {"1 capabilities: repeated csi.v1.PluginCapability"}},
      {"csi.v1.GetPluginInfoRequest", {}},
      {"csi.v1.GetPluginInfoResponse",
       {"1 name: string", "2 vendor_version: string",
        "3 manifest: map<string, string>"}},
      {"csi.v1.NodeExpandVolumeRequest",
       {"1 volume_id: string", "2 volume_path: string",
        "3 capacity_range: csi.v1.CapacityRange",
        "4 staging_target_path: string",
        "5 volume_capability: csi.v1.VolumeCapability",
        "6 secrets: map<string, string>, secret"}},
      {"csi.v1.NodeExpandVolumeResponse", {"1 capacity_bytes: int64"}},
      {"csi.v1.NodeGetCapabilitiesRequest", {}},
      {"csi.v1.NodeGetCapabilitiesResponse",
       {"1 capabilities: repeated csi.v1.NodeServiceCapability"}},
      {"csi.v1.NodeGetInfoRequest", {}},
      {"csi.v1.NodeGetInfoResponse",
       {"1 node_id: string", "2 max_volumes_per_node: int64",
        "3 accessible_topology: csi.v1.Topology"}},
      {"csi.v1.NodeGetVolumeStatsRequest",
       {"1 volume_id: string", "2 volume_path: string",
        "3 staging_target_path: string"}},
      {"csi.v1.NodeGetVolumeStatsResponse",
       {"1 usage: repeated csi.v1.VolumeUsage",
        "2 volume_condition: csi.v1.VolumeCondition"}},
      {"csi.v1.NodePublishVolumeRequest",
       {"1 volume_id: string", "2 publish_context: map<string, string>",
        "3 staging_target_path: string", "4 target_path: string",
        "5 volume_capability: csi.v1.VolumeCapability", "6 readonly: bool",
        "7 secrets: map<string, string>, secret",
        "8 volume_context: map<string, string>"}},
      {"csi.v1.NodePublishVolumeResponse", {}},
      {"csi.v1.NodeServiceCapability",
       {"1 rpc: csi.v1.NodeServiceCapability.RPC of type"}},
      {"csi.v1.NodeServiceCapability.RPC",
       {"1 type: enum csi.v1.NodeServiceCapability.RPC.Type"}},
      {"csi.v1.NodeStageVolumeRequest",
       {"1 volume_id: string", "2 publish_context: map<string, string>",
        "3 staging_target_path: string",
        "4 volume_capability: csi.v1.VolumeCapability",
        "5 secrets: map<string, string>, secret",
        "6 volume_context: map<string, string>"}},
      {"csi.v1.NodeStageVolumeResponse", {}},
      {"csi.v1.NodeUnpublishVolumeRequest",
       {"1 volume_id: string", "2 target_path: string"}},
      {"csi.v1.NodeUnpublishVolumeResponse", {}},
      {"csi.v1.NodeUnstageVolumeRequest",
       {"1 volume_id: string", "2 staging_target_path: string"}},
      {"csi.v1.NodeUnstageVolumeResponse", {}},
      {"csi.v1.PluginCapability",
       {"1 service: csi.v1.PluginCapability.Service of type",
        "2 volume_expansion: csi.v1.PluginCapability.VolumeExpansion of type"}},
      {"csi.v1.PluginCapability.Service",
       {"1 type: enum csi.v1.PluginCapability.Service.Type"}},
      {"csi.v1.PluginCapability.VolumeExpansion",
       {"1 type: enum csi.v1.PluginCapability.VolumeExpansion.Type"}},
      {"csi.v1.ProbeRequest", {}},
      {"csi.v1.ProbeResponse", {"1 ready: google.protobuf.BoolValue"}},
      {"csi.v1.Topology", {"1 segments: map<string, string>"}},
      {"csi.v1.VolumeCapability",
       {"1 block: csi.v1.VolumeCapability.BlockVolume of access_type",
        "2 mount: csi.v1.VolumeCapability.MountVolume of access_type",
        "3 access_mode: csi.v1.VolumeCapability.AccessMode"}},
      {"csi.v1.VolumeCapability.AccessMode",
       {"1 mode: enum csi.v1.VolumeCapability.AccessMode.Mode"}},
      {"csi.v1.VolumeCapability.BlockVolume", {}},
      {"csi.v1.VolumeCapability.MountVolume",
       {"1 fs_type: string", "2 mount_flags: repeated string",
        "3 volume_mount_group: string"}},
      {"csi.v1.VolumeCondition", {"1 abnormal: bool", "2 message: string"}},
      {"csi.v1.VolumeUsage",
       {"1 available: int64", "2 total: int64", "3 used: int64",
        "4 unit: enum csi.v1.VolumeUsage.Unit"}},
      {"pluginregistration.InfoRequest", {}},
      {"pluginregistration.PluginInfo",
       {"1 type: string", "2 name: string", "3 endpoint: string",
        "4 supported_versions: repeated string"}},
      {"pluginregistration.RegistrationStatus",
       {"1 plugin_registered: bool", "2 error: string"}},
      {"pluginregistration.RegistrationStatusResponse", {}},
  };
  return *kListing;
}

std::string CsiMethod(const std::string& name) {
  return absl::StrCat(name, ": csi.v1.", name, "Request -> csi.v1.", name,
                      "Response");
}

// "<number> <name>"
const Listing& SpecifiedEnums() {
  static const auto* const kListing = new Listing{
      {"csi.v1.NodeServiceCapability.RPC.Type",
       {"0 UNKNOWN", "1 STAGE_UNSTAGE_VOLUME", "2 GET_VOLUME_STATS",
        "3 EXPAND_VOLUME", "4 VOLUME_CONDITION", "5 SINGLE_NODE_MULTI_WRITER",
        "6 VOLUME_MOUNT_GROUP"}},
      {"csi.v1.PluginCapability.Service.Type",
       {"0 UNKNOWN", "1 CONTROLLER_SERVICE",
        "2 VOLUME_ACCESSIBILITY_CONSTRAINTS", "3 GROUP_CONTROLLER_SERVICE",
        "4 SNAPSHOT_METADATA_SERVICE"}},
      {"csi.v1.PluginCapability.VolumeExpansion.Type",
       {"0 UNKNOWN", "1 ONLINE", "2 OFFLINE"}},
      {"csi.v1.VolumeCapability.AccessMode.Mode",
       {"0 UNKNOWN", "1 SINGLE_NODE_WRITER", "2 SINGLE_NODE_READER_ONLY",
        "3 MULTI_NODE_READER_ONLY", "4 MULTI_NODE_SINGLE_WRITER",
        "5 MULTI_NODE_MULTI_WRITER", "6 SINGLE_NODE_SINGLE_WRITER",
        "7 SINGLE_NODE_MULTI_WRITER"}},
      {"csi.v1.VolumeUsage.Unit", {"0 UNKNOWN", "1 BYTES", "2 INODES"}},
  };
  return *kListing;
}

// "<method>: <request> -> <response>", no streams.
const Listing& SpecifiedServices() {
  static const auto* const kListing = new Listing{
      {"csi.v1.Identity",
       {CsiMethod("GetPluginCapabilities"), CsiMethod("GetPluginInfo"),
        CsiMethod("Probe")}},
      {"csi.v1.Node",
       {CsiMethod("NodeExpandVolume"), CsiMethod("NodeGetCapabilities"),
        CsiMethod("NodeGetInfo"), CsiMethod("NodeGetVolumeStats"),
        CsiMethod("NodePublishVolume"), CsiMethod("NodeStageVolume"),
        CsiMethod("NodeUnpublishVolume"), CsiMethod("NodeUnstageVolume")}},
      {"pluginregistration.Registration",
       {"GetInfo: pluginregistration.InfoRequest -> "
        "pluginregistration.PluginInfo",
        "NotifyRegistrationStatus: pluginregistration.RegistrationStatus -> "
        "pluginregistration.RegistrationStatusResponse"}},
  };
  return *kListing;
}

const FileDescriptor& CsiFile() {
  return *::csi::v1::NodePublishVolumeRequest::descriptor()->file();
}
std::vector<const FileDescriptor*> Files() {
  return {&CsiFile(), ::pluginregistration::PluginInfo::descriptor()->file()};
}

std::string TypeOf(const FieldDescriptor& field) {
  if (field.is_map()) {
    const Descriptor& entry = *field.message_type();
    return absl::StrCat("map<", TypeOf(*entry.map_key()), ", ",
                        TypeOf(*entry.map_value()), ">");
  }
  std::string type = field.type_name();
  if (field.message_type() != nullptr) type = field.message_type()->full_name();
  if (field.enum_type() != nullptr) {
    type = absl::StrCat("enum ", field.enum_type()->full_name());
  }
  return absl::StrCat(field.is_repeated() ? "repeated " : "", type);
}

std::string LineOf(const FieldDescriptor& field) {
  const auto* const oneof = field.containing_oneof();
  const bool is_secret = field.options().GetExtension(::csi::v1::csi_secret);
  return absl::StrCat(field.number(), " ", field.name(), ": ", TypeOf(field),
                      oneof == nullptr ? "" : " of ",
                      oneof == nullptr ? "" : oneof->name(),
                      is_secret ? ", secret" : "");
}

void List(const EnumDescriptor& type, Listing& enums) {
  std::vector<std::string>& lines = enums[type.full_name()];
  for (int i = 0; i < type.value_count(); ++i) {
    lines.push_back(
        absl::StrCat(type.value(i)->number(), " ", type.value(i)->name()));
  }
}

void List(const Descriptor& type, Listing& messages, Listing& enums) {
  if (type.options().map_entry()) return;
  std::vector<std::string>& lines = messages[type.full_name()];
  for (int i = 0; i < type.field_count(); ++i) {
    lines.push_back(LineOf(*type.field(i)));
  }
  for (int i = 0; i < type.enum_type_count(); ++i) {
    List(*type.enum_type(i), enums);
  }
  for (int i = 0; i < type.nested_type_count(); ++i) {
    List(*type.nested_type(i), messages, enums);
  }
}

struct Types {
  Listing messages;
  Listing enums;
};

Types OurTypes() {
  Types ours;
  for (const FileDescriptor* const file : Files()) {
    for (int i = 0; i < file->message_type_count(); ++i) {
      List(*file->message_type(i), ours.messages, ours.enums);
    }
    for (int i = 0; i < file->enum_type_count(); ++i) {
      List(*file->enum_type(i), ours.enums);
    }
  }
  return ours;
}

void List(const ServiceDescriptor& service, Listing& services) {
  std::vector<std::string>& lines = services[service.full_name()];
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    lines.push_back(absl::StrCat(method.name(), ": ",
                                 method.input_type()->full_name(), " -> ",
                                 method.output_type()->full_name()));
    EXPECT_FALSE(method.client_streaming() || method.server_streaming());
  }
  std::sort(lines.begin(), lines.end());  // the wire knows no order
}

TEST(CsiProtoTest, MessagesHaveTheSpecifiedNamesNumbersAndTypes) {
  EXPECT_THAT(OurTypes().messages, ElementsAreArray(SpecifiedMessages()));
}

TEST(CsiProtoTest, EnumsHaveTheSpecifiedNamesAndNumbers) {
  EXPECT_THAT(OurTypes().enums, ElementsAreArray(SpecifiedEnums()));
}

TEST(CsiProtoTest, ServicesHaveTheSpecifiedMethods) {
  Listing ours;
  for (const FileDescriptor* const file : Files()) {
    for (int i = 0; i < file->service_count(); ++i) {
      List(*file->service(i), ours);
    }
  }
  EXPECT_THAT(ours, ElementsAreArray(SpecifiedServices()));
}

// A value that is marked as a secret by its number, also for other programs.
TEST(CsiProtoTest, SecretIsTheSpecifiedOption) {
  const FieldDescriptor* const secret =
      CsiFile().FindExtensionByName("csi_secret");
  ASSERT_NE(secret, nullptr);
  EXPECT_EQ(secret->number(), 1059);
  EXPECT_EQ(secret->containing_type()->full_name(),
            "google.protobuf.FieldOptions");
  EXPECT_EQ(TypeOf(*secret), "bool");
}

}  // namespace
}  // namespace oneagent
