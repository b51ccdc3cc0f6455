/* Python inside this process: started once, or the host's own; and calls of the bridge module. */
#ifndef UPPERBODYSEG_PYTHON_RUNTIME_H
#define UPPERBODYSEG_PYTHON_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>

enum bridge_function { BRIDGE_CREATE, BRIDGE_DESTROY, BRIDGE_INITIALIZE, BRIDGE_IS_INITIALIZED, BRIDGE_PROCESS };

/*
 * Calls a function of upperbodyseg.c_library.bridge, from any thread. Starts Python when it must.
 *
 * format and what follows: the arguments, as for Py_BuildValue, in parentheses.
 * False: it failed, and reason says why.
 */
bool call_bridge(char *reason, size_t size, enum bridge_function function, const char *format, ...);

#endif
