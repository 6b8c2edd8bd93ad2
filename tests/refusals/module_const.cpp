// message: a const module cannot change between train and eval
#include <needle/needle.hpp>

int main() {
  const needle::nn::Dropout model;
  needle::nn::eval(model);
}
