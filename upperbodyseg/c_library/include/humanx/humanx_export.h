#ifndef HUMANX_EXPORT_H
#define HUMANX_EXPORT_H

/* HUMANX_EXPORT marks the functions that the shared library gives. HUMANX_BUILD is set while it is built. */
#if defined(_WIN32)
#if defined(HUMANX_BUILD)
#define HUMANX_EXPORT __declspec(dllexport)
#else
#define HUMANX_EXPORT __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define HUMANX_EXPORT __attribute__((visibility("default")))
#else
#define HUMANX_EXPORT
#endif

#endif
