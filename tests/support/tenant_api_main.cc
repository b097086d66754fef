// tenant-api: TenantApiServer as a program, for the demo and the end-to-end
// tests.
//
//   tenant-api --state-dir DIR [--address IP] [--port N]
//              [--rate BYTES_PER_SECOND]
//
// Prints its API URL as its first line and serves until SIGTERM. DIR holds
// <version>.zip files and, optionally, tenant.json; both are read anew at each
// request:
//   {"token": "…", "latest": "1.300.0…",
//    "connectionInfo": {"tenantUUID": "…", "tenantToken": "…",
//                       "communicationEndpoints": ["…"]},
//    "processModuleConfig": {"revision": 1, "properties": [
//        {"section": "general", "key": "…", "value": "…"}]}}
#include <google/protobuf/struct.pb.h>
#include <signal.h>
#include <stdio.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/durable_file.h"
#include "base/flags.h"
#include "proto/deployment.pb.h"
#include "proto/json.h"
#include "tests/support/tenant_api.h"

namespace oneagent {
namespace {

using google::protobuf::Struct;

std::string StringField(const Struct& object, const std::string& name,
                        const std::string& otherwise) {
  const auto found = object.fields().find(name);
  return found == object.fields().end() ? otherwise
                                        : found->second.string_value();
}

// Reads the object `name` of `object` as a message; false when there is none.
bool ReadPart(const Struct& object, const std::string& name,
              google::protobuf::Message* message) {
  const auto found = object.fields().find(name);
  if (found == object.fields().end()) return false;
  const absl::Status status =
      ParseJson(PrintJson(found->second.struct_value()), message);
  if (!status.ok()) {
    fprintf(stderr, "tenant.json: %s: %s\n", name.c_str(),
            std::string(status.message()).c_str());
  }
  return status.ok();
}

void ReadTenant(const std::string& path, ServedTenant& state) {
  const auto text = ReadWholeFile(path);
  if (!text.ok()) return;
  Struct root;
  if (const absl::Status status = ParseJson(*text, &root); !status.ok()) {
    fprintf(stderr, "%s: %s\n", path.c_str(),
            std::string(status.message()).c_str());
    return;
  }
  state.token = StringField(root, "token", state.token);
  state.latest = StringField(root, "latest", state.latest);
  v1::ConnectionInfo info;
  if (ReadPart(root, "connectionInfo", &info)) {
    state.tenant_uuid = info.tenant_uuid();
    state.tenant_token = info.tenant_token();
    state.endpoints.assign(info.communication_endpoints().begin(),
                           info.communication_endpoints().end());
  }
  v1::ProcessModuleConfig config;
  if (ReadPart(root, "processModuleConfig", &config)) {
    state.revision = config.revision();
    state.properties.clear();
    for (const v1::ProcessModuleProperty& property : config.properties()) {
      state.properties.push_back(
          {property.section(), property.key(), property.value()});
    }
  }
}

ServedTenant ReadState(const std::string& directory) {
  ServedTenant state;
  const auto names = ListDirectory(directory);
  if (names.ok()) {
    for (const std::string& name : *names) {
      absl::string_view version = name;
      if (!absl::ConsumeSuffix(&version, ".zip")) continue;
      state.agents[std::string(version)].path =
          absl::StrCat(directory, "/", name);
    }
  }
  ReadTenant(absl::StrCat(directory, "/tenant.json"), state);
  return state;
}

int Main(int argc, char** argv) {
  int64_t port = 0;
  int64_t rate = 0;
  std::string address = "127.0.0.1";
  std::string directory;
  bool help = false;
  const std::vector<Flag> flags = {
      StringFlag("address", "IP", "where it listens; 127.0.0.1 by default",
                 &address),
      IntFlag("port", "N", "0 (default) is a free one", &port, 0, 65535),
      StringFlag("state-dir", "DIR", "<version>.zip files and tenant.json",
                 &directory),
      IntFlag("rate", "BYTES", "bytes per second of an archive; 0: no limit",
              &rate, 0, int64_t{1} << 40),
      SwitchFlag("help", "this text", &help),
  };
  const auto rest = ParseFlags(flags, argc, argv);
  if (!rest.ok() || !rest->empty() || help || directory.empty()) {
    fprintf(stderr, "%s\nusage: tenant-api --state-dir DIR [flags]\n%s",
            rest.ok() ? "" : std::string(rest.status().message()).c_str(),
            FlagHelp(flags).c_str());
    return help ? 0 : 2;
  }
  // Blocked before any thread exists, so that sigwait alone receives them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);

  const TenantApiServer server(
      {.address = address,
       .port = static_cast<int>(port),
       .bytes_per_second = rate,
       .load = [directory] { return ReadState(directory); }});
  printf("%s\n", server.api_url().c_str());
  fflush(stdout);
  int received = 0;
  sigwait(&signals, &received);
  return 0;
}

}  // namespace
}  // namespace oneagent

int main(int argc, char** argv) { return oneagent::Main(argc, argv); }
