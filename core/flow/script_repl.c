#include "flow/script_repl.h"

#include <stdlib.h>

#include "flow/script_private.h"

int script_repl_begin(struct script_host *host, struct event *first, struct error *err)
{
	host_push_engine(host, "repl_begin");
	lua_pushlightuserdata(host->lua, first);
	return host_call(host, 1, 0, err);
}

enum repl_answer script_repl_eval(struct script_host *host, const char *text, struct buf *out)
{
	enum repl_answer answer = REPL_SHOWN;
	struct error err;
	bool failed;

	buf_clear(out);
	host_push_engine(host, "repl_eval");
	lua_pushstring(host->lua, text);
	failed = host_call(host, 1, 2, &err) < 0;
	lua_sethook(host->lua, NULL, 0, 0); /* a Ctrl-C that came when it had ended */
	if (failed) {
		buf_text(out, err.text);
		return REPL_FAILED;
	}
	if (lua_isstring(host->lua, -2)) {
		size_t n;
		const char *p = lua_tolstring(host->lua, -2, &n);

		buf_append(out, p, n);
	} else {
		answer = strcmp(lua_tostring(host->lua, -1), "more") == 0 ? REPL_MORE : REPL_QUIT;
	}
	lua_pop(host->lua, 2);
	return answer;
}

void script_repl_prompt(struct script_host *host, struct buf *out)
{
	struct error err;

	buf_clear(out);
	host_push_engine(host, "repl_prompt");
	if (host_call(host, 0, 1, &err) < 0) {
		buf_text(out, "> ");
		return;
	}
	buf_text(out, lua_tostring(host->lua, -1));
	lua_pop(host->lua, 1);
}

char **script_repl_complete(struct script_host *host, const char *typed, size_t *count)
{
	struct error err;
	char **list;

	*count = 0;
	host_push_engine(host, "repl_complete");
	lua_pushstring(host->lua, typed);
	if (host_call(host, 1, 1, &err) < 0)
		return NULL;
	list = calloc(lua_objlen(host->lua, -1) + 1, sizeof *list);
	BUG_IF(!list);
	for (size_t i = 0; i < lua_objlen(host->lua, -1); i++) {
		lua_rawgeti(host->lua, -1, (int)i + 1);
		list[i] = strdup(lua_tostring(host->lua, -1));
		BUG_IF(!list[i]);
		lua_pop(host->lua, 1);
		++*count;
	}
	lua_pop(host->lua, 1);
	return list;
}

static void stop(lua_State *lua, lua_Debug *at)
{
	(void)at;
	lua_sethook(lua, NULL, 0, 0);
	luaL_error(lua, "interrupted");
}

void script_repl_interrupt(struct script_host *host)
{
	lua_sethook(host->lua, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}
