// Names that other people's headers define as macros; whoever includes needle later must not
// notice.
#pragma once

// The standard library itself does not survive these, so it comes first.
#if __has_include(<bits/stdc++.h>)
#include <bits/stdc++.h>
#else
#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <thread>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if NEEDLE_ZLIB
#include <zlib.h>
#endif

// <windows.h>
#define small char
#define near
#define far
#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))
#define interface struct
#define IN
#define OUT
#define ERROR 0
#define DIFFERENCE 11
#define ABSOLUTE 1
#define RELATIVE 2
#define DELETE 0x10000L
#define VOID void
#define TRUE 1
#define FALSE 0

// Qt
#define slots
#define signals public
#define emit
#define foreach for

// <X11/Xlib.h>
#define None 0L
#define Bool int
#define Status int
#define Success 0
#define Always 2
#define Complex 0

// <complex.h>
#define I (__extension__ 1.0iF)
#define complex _Complex

// Test and logging libraries
#define CHECK(x) ((void)0)
#define CHECK_EQ(x, y) ((void)0)
#define REQUIRE(x) ((void)0)
#define LOG(x) ((void)0)
#define TEST(x) void x()
#define check(x) ((void)0)
#define verify(x) ((void)0)
#define require(x) ((void)0)

// <sys/sysmacros.h>, Arduino and course code
#define major(x) 0
#define minor(x) 0
#define PI 3.14159
#define EPS 1e-5
#define E 2.71828
