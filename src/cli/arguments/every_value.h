#pragma once

namespace CLI {
class App;
}

namespace fathom::cli {

/// Adds to every option of `app` and its subcommands what holds for all values, whatever the option
/// itself checks: an empty path or name is not "not given", and is refused (an empty text may be
/// meant); a number is decimal and fits its type, neither clamped nor NaN nor infinite.
void check_every_value(CLI::App& app);

}  // namespace fathom::cli
