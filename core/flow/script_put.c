/* A Lua table's columns into a change, in one call: what map, ctx:emit and ctx:delete end in. The loop over a table is here because
 * LuaJIT 2.1 as Debian has it does not compile next(): the same loop in Lua made its caller run interpreted. */
#include "flow/script_private.h"

#include "flow/script_api.h"

/* A script's names are interned: the same text is the same address, until it is collected. So an address says where to look, and the text
 * decides. */
static int find_column(struct script_host *host, const struct target *target, struct slice name)
{
	struct put_name *known = &host->names[((uintptr_t)name.p >> 4 ^ target->id) % PUT_NAMES];
	int column;

	if (known->p == name.p && known->target == target->id && slice_equal(target->columns[known->column].name, name))
		return (int)known->column;
	column = target_find(target, name);
	if (column >= 0)
		*known = (struct put_name){ name.p, target->id, (uint32_t)column };
	return column;
}

/* The value at the top of the stack. False: not for here, or wrong. */
static bool put_value(struct script_host *host, lua_State *lua, uint32_t column)
{
	struct slice text;

	switch (lua_type(lua, -1)) {
	case LUA_TNUMBER:
		return sl_set_number(host->filled_event, host->filled, column, lua_tonumber(lua, -1)) == 0;
	case LUA_TSTRING:
		text.p = lua_tolstring(lua, -1, &text.n);
		return sl_set(host->filled_event, host->filled, column, VALUE_TEXT, text.p, text.n) == 0;
	case LUA_TBOOLEAN:
		return sl_set(host->filled_event, host->filled, column, lua_toboolean(lua, -1) ? VALUE_TRUE : VALUE_FALSE, NULL, 0) == 0;
	default: /* sl.null */
		return lua_rawequal(lua, -1, 2) && sl_set(host->filled_event, host->filled, column, VALUE_NULL, NULL, 0) == 0;
	}
}

int host_put(lua_State *lua)
{
	struct script_host *host = lua_touserdata(lua, lua_upvalueindex(1));
	const struct target *target = host->filled->target;
	bool keys_only = lua_toboolean(lua, 3), done = true;

	lua_pushnil(lua);
	while (done && lua_next(lua, 1)) {
		int column = -1;

		if (lua_type(lua, -2) == LUA_TSTRING) {
			struct slice name;

			name.p = lua_tolstring(lua, -2, &name.n);
			column = find_column(host, target, name);
		}
		done = column >= 0 &&
		       ((keys_only && !sl_target_is_key(host, target->id, (uint32_t)column)) || put_value(host, lua, (uint32_t)column));
		lua_pop(lua, 1);
	}
	lua_pushboolean(lua, done);
	return 1;
}
