// What needle costs before it calculates anything: CPU time and memory to parse the umbrella
// header, CPU time to compile the MNIST example, size and start of its program. Each beside its
// budget; the exit status says if all are kept. Compiling the example with headers only is shown
// without one: it takes longer than the 6 s that hold against needle::compiled. Where the budgets
// were set, libtorch's headers took 12.8 s to parse; where they are installed, the compiler's times
// are scaled to that, and each line says from what.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace {

struct Cost {
  double cpu_seconds = 1e30, wall_seconds = 1e30, megabytes = 1e30;
};

/// The least that several runs of a command took, its children included.
Cost run(const std::vector<std::string>& command, int times) {
  using Clock = std::chrono::steady_clock;
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  Cost least;
  for (int i = 0; i < times; ++i) {
    const auto start = Clock::now();
    const pid_t child = fork();
    if (child == 0) {
      dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
      execvp(arguments[0], arguments.data());
      _exit(127);
    }
    int status = 0;
    rusage usage{};
    wait4(child, &status, 0, &usage);
    if (status != 0) {
      std::fprintf(stderr, "failed: %s ... %s\n", command.front().c_str(), command.back().c_str());
      std::exit(2);
    }
    const auto seconds = [](const timeval& t) {
      return double(t.tv_sec) + 1e-6 * double(t.tv_usec);
    };
    const std::chrono::duration<double> wall = Clock::now() - start;
    least.wall_seconds = (std::min)(least.wall_seconds, wall.count());
    least.cpu_seconds =
        (std::min)(least.cpu_seconds, seconds(usage.ru_utime) + seconds(usage.ru_stime));
    least.megabytes = (std::min)(least.megabytes, double(usage.ru_maxrss) / 1024);
  }
  return least;
}

bool within = true;
double speed = 1;  // of the machine of the budgets over this one's, now
bool scaled = false;

void report(const char* what, double cost, double budget, const char* unit) {
  std::printf("%-48s %9.2f %-2s  budget %7.2f %-2s %s\n", what, cost, unit, budget, unit,
              cost <= budget ? "" : "  OVER");
  std::fflush(stdout);
  within = within && cost <= budget;
}

/// CPU seconds of the compiler, as measured and scaled; a budget of 0 is none.
void report_compiler(const char* what, double seconds, double budget = 0) {
  std::printf("%-48s %9.2f s ", what, seconds * speed);
  if (budget > 0) std::printf(" budget %7.2f s ", budget);
  if (scaled) std::printf(" scaled from %.2f s", seconds);
  const bool over = budget > 0 && seconds * speed > budget;
  std::printf("%s\n", over ? "  OVER" : "");
  std::fflush(stdout);
  within = within && !over;
}

}  // namespace

int main() {
  const std::string include = std::string("-I") + NEEDLE_SOURCE_DIR "/include";
  char folder[] = "needle-compile-XXXXXX";
  if (mkdtemp(folder) == nullptr) return 2;
  const std::string umbrella = std::string(folder) + "/umbrella.cpp";
  const std::string program = std::string("./") + folder + "/mnist";
  std::ofstream(umbrella) << "#include <needle/needle.hpp>\n";

  std::vector<std::string> torch = {NEEDLE_COMPILER, "-std=c++17", "-fsyntax-only"};
  for (std::string path = NEEDLE_TORCH_INCLUDES; !path.empty();) {
    const std::size_t end = (std::min)(path.find(':'), path.size());
    torch.push_back("-I" + path.substr(0, end));
    path.erase(0, end + 1);
  }
  if (torch.size() > 3) {
    const std::string rival = std::string(folder) + "/torch.cpp";
    std::ofstream(rival) << "#include <torch/torch.h>\n";
    torch.push_back(rival);
    const Cost theirs = run(torch, 2);
    speed = 12.8 / theirs.cpu_seconds;
    scaled = true;
    std::printf("#include <torch/torch.h>: %.1f s and %.0f MB to parse\n", theirs.cpu_seconds,
                theirs.megabytes);
    std::printf("The compiler's times are scaled by 12.8 s / %.1f s = %.2f\n", theirs.cpu_seconds,
                speed);
  } else {
    std::printf("No libtorch: the compiler's times are not scaled\n");
  }
  const Cost parse = run({NEEDLE_COMPILER, "-std=c++20", include, "-fsyntax-only", umbrella}, 5);
  report_compiler("#include <needle/needle.hpp>, CPU time to parse", parse.cpu_seconds, 1.5);
  report("#include <needle/needle.hpp>, memory to parse", parse.megabytes, 250, "MB");

  const std::string example = NEEDLE_SOURCE_DIR "/examples/04_mnist.cpp";
  if (access(example.c_str(), R_OK) == 0) {
    const auto compile = [&](std::vector<std::string> arguments, int times) {
      arguments.insert(arguments.begin(), {NEEDLE_COMPILER, "-std=c++20", "-O2", include});
      return run(arguments, times).cpu_seconds;
    };
    const std::string library = std::string(folder) + "/compiled.o";
    const double once = compile(
        {"-DNEEDLE_COMPILED=1", "-c", NEEDLE_SOURCE_DIR "/cmake/compiled.cpp", "-o", library}, 1);
    report_compiler(
        "MNIST example, -O2, against needle::compiled",
        compile({"-DNEEDLE_COMPILED=1", "-pthread", example, library, "-o", program}, 3), 6);
    report_compiler("needle::compiled itself, once", once);
    report_compiler("MNIST example, -O2, headers only",
                    compile({"-s", "-pthread", example, "-o", program}, 3));
    struct stat file {};
    stat(program.c_str(), &file);
    report("MNIST example, stripped program", double(file.st_size) / 1e6, 1.5, "MB");
    const Cost start = run({program, "--help"}, 20);
    report("MNIST example, start and end (--help)", start.wall_seconds * 1e3, 5, "ms");
    report("MNIST example, resident before data (--help)", start.megabytes, 10, "MB");
  }
  run({"rm", "-r", folder}, 1);
  return within ? 0 : 1;
}
