/* Lua's own spelling of what commands write into files of Lua. */
#ifndef RUN_LUA_TEXT_H
#define RUN_LUA_TEXT_H

#include "base/buf.h"

/* A string literal, in double quotes, of any bytes. */
void lua_text_string(struct buf *out, struct slice bytes);
/* A field's name as a table constructor has it: id, or ["order-id"]. */
void lua_text_field(struct buf *out, struct slice name);
/* Text of a comment: what would end the line is a space. */
void lua_text_comment(struct buf *out, struct slice text);

#endif
