// Command lines of the examples: options with defaults, --help, and refusals in one sentence.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <needle/core/error.hpp>

namespace examples {

/// A command line that cannot be meant: the program ends with status 2.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Whether a text is a number, which is then read.
template <class Number>
bool read_number(const std::string& given, Number& number) {
  const char* end = given.data() + given.size();
  if constexpr (std::is_integral_v<Number>) {
    const auto [rest, error] = std::from_chars(given.data(), end, number);
    return error == std::errc() && rest == end;
  } else {  // libc++ before 20 has from_chars for whole numbers only
    char* rest = nullptr;
    number = static_cast<Number>(std::strtod(given.c_str(), &rest));
    return rest == end && !given.empty();
  }
}

/// The number that a text is; anything else, or one outside of [low, high], is refused as the value
/// of `what`.
template <class Number>
Number parse(const std::string& given, Number low, Number high, const std::string& what) {
  Number number{};
  if (!read_number(given, number) || !(number >= low && number <= high)) {
    throw UsageError(needle::text(what, " ", given, ": expected a ",
                                  std::is_integral_v<Number> ? "whole number" : "number", " from ",
                                  low, " to ", high));
  }
  return number;
}

/// Options of the form `--name value` or `--name=value`, bound to variables that hold the defaults.
class Options {
 public:
  explicit Options(const char* about) : about_(about) {}

  /// A text that is not empty; without a default, none is shown.
  void text(const char* name, std::string& value, const char* help) {
    options_.push_back({name, help, value, [&value, name](const std::string& given) {
                          if (given.empty())
                            throw UsageError(needle::text("--", name, " is empty"));
                          value = given;
                        }});
  }
  /// One of some words.
  void choice(const char* name, std::string& value, std::vector<const char*> words,
              const char* help) {
    const auto set = [&value, name, words](const std::string& given) {
      std::string list;
      for (const char* word : words) {
        if (word == given) return void(value = given);
        list += needle::text(list.empty() ? "" : ", ", word);
      }
      throw UsageError(needle::text("--", name, " ", given, ": expected one of ", list));
    };
    options_.push_back({name, help, value, set});
  }
  /// A number in [low, high]; `Value` is std::int64_t, double, or a std::optional of one of them.
  template <class Value, class Number>
  void number(const char* name, Value& value, Number low, Number high, const char* help) {
    const auto set = [&value, name, low, high](const std::string& given) {
      value = examples::parse<Number>(given, low, high, needle::text("--", name));
    };
    std::string standard;
    if constexpr (std::is_arithmetic_v<Value>) standard = needle::str(value);
    options_.push_back({name, help, standard, set});
  }

  /// Gives an option a value, as the command line does.
  void set(const std::string& name, const std::string& value) const {
    find("--" + name).set(value);
  }

  /// Reads a command line; `--help` prints the options and ends the program.
  void parse(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      const std::string word = argv[i];
      if (word == "--help" || word == "-h") {
        print_help();
        std::exit(0);
      }
      const std::size_t equals = word.find('=');
      const Option& option = find(word.substr(0, equals));
      if (equals != std::string::npos) {
        option.set(word.substr(equals + 1));
      } else if (i + 1 < argc && std::string_view(argv[i + 1]).substr(0, 2) != "--") {
        option.set(argv[++i]);
      } else {
        throw UsageError(word + ": a value is missing");
      }
    }
  }

 private:
  struct Option {
    const char* name;
    const char* help;
    std::string standard;
    std::function<void(const std::string&)> set;
  };

  const Option& find(const std::string& word) const {
    for (const Option& option : options_) {
      if (word.starts_with("--") && word.substr(2) == option.name) return option;
    }
    throw UsageError(word + ": no such option; --help lists them");
  }
  void print_help() const {
    std::printf("%s\n\n", about_);
    for (const Option& option : options_) {
      const std::string& standard = option.standard;
      std::printf("  --%-9s %s%s\n", option.name, option.help,
                  standard.empty() ? "" : needle::text(" [", standard, "]").c_str());
    }
    std::printf("  %-11s %s\n", "--help", "this list");
  }

  const char* about_;
  std::vector<Option> options_;
};

/// Runs a program's body; what is refused becomes one sentence on standard error and an exit
/// status: 2 for the command line, 1 for everything else.
template <class Body>
int run(const char* program, Body&& body) {
  try {
    return body();
  } catch (const UsageError& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
    return 1;
  }
}

/// Reads the command line of a program that has no options: `--help` prints what it is about, and
/// everything else is refused; both end the program.
inline void no_options(int argc, char** argv, const char* program, const char* about) {
  const int status = run(program, [&] {
    Options(about).parse(argc, argv);
    return 0;
  });
  if (status != 0) std::exit(status);
}

}  // namespace examples
