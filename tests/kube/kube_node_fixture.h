// A node with the shipped programs whose provisioner speaks to the program's
// API server, as the account of the chart and with a token from a file. The
// node is new for each test; its DynaKubes and pods go with the test.
#ifndef TESTS_KUBE_KUBE_NODE_FIXTURE_H_
#define TESTS_KUBE_KUBE_NODE_FIXTURE_H_

#include <string>
#include <vector>

#include "tests/e2e/node.h"
#include "tests/kube/kube_fixture.h"
#include "tests/support/temp_dir.h"

namespace oneagent {

class KubeNodeTest : public KubeTest {
 protected:
  // `url` and `ca_pem` of a proxy before the server, or empty.
  explicit KubeNodeTest(const std::string& url = "",
                        const std::string& ca_pem = "");
  ~KubeNodeTest() override;

  static constexpr char kNodeName[] = "node-1";

  // `kubectl apply` of a DynaKube and its Secret.
  void Apply(const DynaKubeOptions& options);
  static void Delete(const std::string& dynakube);
  // Puts another token into the file.
  void WriteToken(const std::string& token);
  static std::string NewToken(const std::string& bound_to = "");
  // A Secret that tokens can be bound to.
  static void MakeSecret(const std::string& name, const std::string& key = "a",
                         const std::string& value = "b");
  // Whether the provisioner takes it for deleted.
  bool IsDeleted(const std::string& dynakube) const;
  // True when the provisioner's log has `text`, sooner or later.
  bool WaitForLog(const std::string& text);
  // A DynaKube that comes now is ready soon: the provisioner follows.
  void ExpectFollows(const std::string& dynakube);

  TempDir dir_;
  Node node_;
};

}  // namespace oneagent

#endif  // TESTS_KUBE_KUBE_NODE_FIXTURE_H_
