// A program may end while threads are calculating, and ends with the status that it gave.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "needle/cpu/threads.hpp"

using namespace needle;

namespace {

void work(std::int64_t) {
  std::atomic<int> steps = 0;
  while (steps.fetch_add(1) < 2000) {
  }
}

/// main() returns while a thread that nobody waits for goes on.
void with_a_thread_left() {
  std::thread([] {
    for (;;) parallel_for(64, work);
  }).detach();
  usleep(2000);
  std::exit(0);
}

/// A chunk ends the program, on whatever thread it is.
void inside_a_region() {
  parallel_for(64, [](std::int64_t chunk) {
    work(chunk);
    if (chunk == 40) std::exit(0);
  });
}

}  // namespace

int main() {
  for (int i = 0; i < 20; ++i) {
    for (void (*end)() : {with_a_thread_left, inside_a_region}) {
      const pid_t child = fork();
      if (child == 0) {
        set_num_threads(4);
        end();
      }
      int status = 1;
      if (child > 0 && waitpid(child, &status, 0) == child && status == 0) continue;
      std::printf("a program that ended early ended with status %d\n", status);
      return 1;
    }
  }
}
