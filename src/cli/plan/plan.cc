// fathom plan: what a run or a service would need, take and cost on a cluster.
#include "cli/command.h"
#include "cli/plan/plan_balance.h"
#include "cli/plan/plan_hardware.h"
#include "cli/plan/plan_serve.h"
#include "cli/plan/plan_train.h"

namespace fathom::cli {
namespace {

class Plan : public Command {
 public:
  Arguments add(Arguments& app) override {
    Arguments command =
        app.add_command("plan", "Memory, time and cost on a cluster, before anything runs");
    command.require_command();
    train_.add(command);
    serve_.add(command);
    hardware_.add(command);
    search_.add(command);
    balance_.add(command);
    command.footer("fathom plan train|serve|hardware|search|balance --help says more.");
    return command;
  }

  int run() override {
    if (serve_.chosen()) return serve_.run();
    if (hardware_.chosen()) return hardware_.run();
    if (search_.chosen()) return search_.run();
    if (balance_.chosen()) return balance_.run();
    return train_.run();
  }

 private:
  PlanTrain train_;
  PlanServe serve_;
  PlanHardware hardware_;
  PlanSearch search_;
  PlanBalance balance_;
};

}  // namespace

std::unique_ptr<Command> make_plan() { return std::make_unique<Plan>(); }

}  // namespace fathom::cli
