// doctor: gather, judge, look again, print.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "cache/inspect/diagnose.h"
#include "cache/inspect/json_output.h"
#include "cache/inspect/node_facts.h"
#include "cache/inspect/verbs.h"
#include "proto/inspect.pb.h"

namespace oneagent {
namespace {

struct Seen {
  std::vector<Finding> findings;
  std::string overlay_way;
};

absl::StatusOr<Seen> Look(const Invocation& it, const Console& console) {
  ASSIGN_OR_RETURN(const NodeFacts facts,
                   GatherFacts(it.data_dir, it.socket_path, console.clock));
  return Seen{
      .findings = Diagnose(facts, {.min_free_percent = it.min_free_percent}),
      .overlay_way = OverlayWay(facts)};
}

v1::FindingView ViewOf(const Finding& finding) {
  v1::FindingView view;
  view.set_check(finding.check);
  view.set_subject(ValidUtf8(finding.subject));
  view.set_problem(ValidUtf8(finding.problem));
  view.set_advice(finding.advice);
  return view;
}

void PrintText(const Seen& seen, const Console& console) {
  if (!seen.overlay_way.empty()) {
    console.out << "overlays are mounted by: " << TerminalText(seen.overlay_way)
                << "\n";
  }
  if (seen.findings.empty()) {
    console.out << "no findings: index, disk, mounts and socket agree\n";
    return;
  }
  for (const Finding& finding : seen.findings) {
    console.out << finding.check << "  " << TerminalText(finding.subject)
                << "\n"
                << "    " << TerminalText(finding.problem) << "\n"
                << "    -> " << finding.advice << "\n";
  }
  console.out << seen.findings.size()
              << (seen.findings.size() == 1 ? " finding\n" : " findings\n");
}

}  // namespace

VerbResult RunDoctor(const Invocation& it, const Console& console) {
  ASSIGN_OR_RETURN(Seen seen, Look(it, console));
  if (!seen.findings.empty()) {
    // The daemons go on while we look: what is between two of their steps at
    // one moment is not between them at another.
    absl::SleepFor(console.second_look);
    ASSIGN_OR_RETURN(const Seen again, Look(it, console));
    seen.findings = Persisting(seen.findings, again.findings);
  }
  if (it.output == Output::kJson) {
    std::vector<v1::FindingView> views;
    for (const Finding& finding : seen.findings)
      views.push_back(ViewOf(finding));
    console.out << JsonArray(views);
  } else {
    PrintText(seen, console);
  }
  return seen.findings.empty() ? kExitFine : kExitFinding;
}

}  // namespace oneagent
