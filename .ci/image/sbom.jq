# Rows of linked.sh (text) to an SPDX 2.3 document. See sbom.sh.
def table: split("\n") | map(select(. != "") | split("\t"));
def id(name): "SPDXRef-" + (name | gsub("[^A-Za-z0-9.-]"; "-"));
def source_id: id("source-" + .source);
# https://github.com/package-url/purl-spec: deb
def purl: "pkg:deb/debian/\(.source | @uri)@\(.version | @uri)?arch=source&distro=debian-12";

(table | map({program: .[0], how: .[1], file: .[2], package: .[3],
              source: .[4], version: .[5]})) as $rows
| ($programs | table | map({name: .[0], sha1: .[1], sha256: .[2]})) as $files
| {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: "oneagent-csi-\($version)",
    documentNamespace:
      "https://spdx.org/spdxdocs/oneagent-csi-\($version)-\($files | map(.sha256[0:16]) | join("-"))",
    creationInfo: {
      created: $created,
      creators: ["Organization: oneagent-csi"],
      comment: "made by .ci/image/sbom.sh from the linker's maps, the loader and dpkg"
    },
    packages: ([{
      SPDXID: id("oneagent-csi"),
      name: "oneagent-csi",
      versionInfo: $version,
      downloadLocation: "NOASSERTION",
      filesAnalyzed: false,
      licenseConcluded: "Apache-2.0",
      licenseDeclared: "Apache-2.0",
      copyrightText: "NOASSERTION",
      primaryPackagePurpose: "APPLICATION"
    }] + ($rows | group_by(.source) | map({
      SPDXID: (.[0] | source_id),
      name: .[0].source,
      versionInfo: .[0].version,
      supplier: "Organization: Debian",
      downloadLocation: "NOASSERTION",
      filesAnalyzed: false,
      licenseConcluded: "NOASSERTION",
      licenseDeclared: "NOASSERTION",
      copyrightText: "NOASSERTION",
      primaryPackagePurpose: "SOURCE",
      comment: (map("\(.how): \(.file) (\(.package))") | unique | join("\n")),
      externalRefs: [{
        referenceCategory: "PACKAGE-MANAGER",
        referenceType: "purl",
        referenceLocator: (.[0] | purl)
      }]
    }))),
    files: ($files | map({
      SPDXID: id("file-" + .name),
      fileName: "./usr/bin/\(.name)",
      fileTypes: ["BINARY"],
      checksums: [{algorithm: "SHA1", checksumValue: .sha1},
                  {algorithm: "SHA256", checksumValue: .sha256}],
      licenseConcluded: "NOASSERTION",
      licenseInfoInFiles: ["NOASSERTION"],
      copyrightText: "NOASSERTION"
    })),
    relationships: ([{
      spdxElementId: "SPDXRef-DOCUMENT",
      relationshipType: "DESCRIBES",
      relatedSpdxElement: id("oneagent-csi")
    }] + ($files | map({
      spdxElementId: id("file-" + .name),
      relationshipType: "GENERATED_FROM",
      relatedSpdxElement: id("oneagent-csi")
    })) + ($rows | map({
      spdxElementId: id("file-" + .program),
      relationshipType: (.how | ascii_upcase + "_LINK"),
      relatedSpdxElement: source_id
    }) | unique))
  }
