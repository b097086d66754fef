// How to reach an API server, and as whom.
#ifndef CACHE_KUBE_API_ACCESS_H_
#define CACHE_KUBE_API_ACCESS_H_

#include <string>

namespace oneagent {

// PEM: in a file, which is read again for each connection, or as text.
struct PemSource {
  std::string file = {};
  std::string text = {};  // used when `file` is empty

  bool IsEmpty() const { return file.empty() && text.empty(); }
  bool operator==(const PemSource&) const = default;
};

struct ApiAccess {
  std::string server = {};  // http(s)://host:port[/prefix], no final slash
  std::string namespace_name = {};  // the provisioner's own
  PemSource ca = {};                // empty: the system's roots
  std::string tls_server_name =
      {};  // whose certificate it is; empty: the host's
  bool skip_cert_check = false;
  std::string token = {};  // never logged
  std::string token_file =
      {};  // used instead of `token`; read for each request
  PemSource client_certificate = {};
  PemSource client_key = {};  // never logged

  bool operator==(const ApiAccess&) const = default;
};

}  // namespace oneagent

#endif  // CACHE_KUBE_API_ACCESS_H_
