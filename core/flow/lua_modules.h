/* The Lua runtime as it is in the program (lua/ in the sources), made by lua_modules.lua. */
#ifndef FLOW_LUA_MODULES_H
#define FLOW_LUA_MODULES_H

#include <stddef.h>

struct lua_module {
	const char *name; /* "streamlua.row" */
	const char *text;
	size_t size;
	const char *code; /* the same, compiled; NULL: it is no Lua that runs here */
	size_t code_size;
};

/* What LuaJIT compiled it, as its jit.version says: another one may not understand the code, or worse. */
extern const char lua_modules_made_by[];

extern const struct lua_module lua_modules[]; /* ends in one without a name */

#endif
