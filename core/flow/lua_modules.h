/* The Lua runtime as it was compiled into the program (lua/ in the sources). */
#ifndef FLOW_LUA_MODULES_H
#define FLOW_LUA_MODULES_H

#include <stddef.h>

struct lua_module {
	const char *name; /* "streamlua.row" */
	const char *text;
	size_t size;
};

extern const struct lua_module lua_modules[]; /* ends in one without a name */

#endif
